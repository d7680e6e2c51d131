// SPDX-License-Identifier: GPL-3.0-or-later
// What is wrong with how the page looks, as a list of sentences; evaluated in the page.
(() => {
  const wrong = [];
  const name = (element) => `<${element.tagName.toLowerCase()} ${element.id || element.className?.baseVal || element.className}>`
    + ` "${element.textContent.trim().slice(0, 40)}"`;
  const width = document.documentElement.clientWidth;
  const root = document.scrollingElement;
  if (root.scrollWidth > WIDTH) wrong.push(`the page is ${root.scrollWidth} px wide, the window ${WIDTH}`);

  function channels(color) {
    const [r, g, b, a = 1] = color.match(/[\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  }
  function ground(element) {
    for (let at = element; at; at = at.parentElement) {
      const { rgb, a } = channels(getComputedStyle(at).backgroundColor);
      if (a === 1) return rgb;
    }
    return [255, 255, 255];
  }
  function luminance(rgb) {
    const [r, g, b] = rgb.map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  for (const element of document.body.querySelectorAll("*")) {
    if (!element.getClientRects().length || ["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (box.right > width + 0.5 || box.left < -0.5) wrong.push(`${name(element)} reaches from ${box.left} to ${box.right} px`);
    if (style.overflowX !== "visible" && element.scrollWidth > element.clientWidth + 1 && element.tagName !== "svg")
      wrong.push(`${name(element)} is cut: ${element.scrollWidth} px in ${element.clientWidth}`);
    if (style.overflowY !== "visible" && element.scrollHeight > element.clientHeight + 1 && element.tagName !== "svg")
      wrong.push(`${name(element)} is cut: ${element.scrollHeight} px high in ${element.clientHeight}`);
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.nodeValue.trim());
    if (!own) continue;
    if (style.display !== "inline" && element.scrollWidth > Math.ceil(box.width) + 1)
      wrong.push(`${name(element)}: its text is wider than itself`);
    const [light, dark] = [luminance(channels(style.color).rgb), luminance(ground(element))].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    if (contrast < 4.5) wrong.push(`${name(element)}: contrast ${contrast.toFixed(2)}`);
    if (parseFloat(style.fontSize) < 11.5) wrong.push(`${name(element)}: letters of ${style.fontSize}`);
  }
  for (const head of document.querySelectorAll("thead th")) {
    if (!head.getClientRects().length) continue;
    const text = document.createRange();
    text.selectNodeContents(head);
    const lines = new Set([...text.getClientRects()].map((box) => Math.round(box.top)));
    if (lines.size > head.textContent.trim().split(/\s+/).length) wrong.push(`${name(head)}: a word is broken`);
    for (const row of head.closest("table").tBodies[0]?.rows ?? [])
      if (getComputedStyle(row.cells[head.cellIndex]).textAlign !== getComputedStyle(head).textAlign)
        wrong.push(`${name(head)}: stands elsewhere than ${name(row.cells[head.cellIndex])}`);
  }
  for (const violation of window.violations) wrong.push(`the policy forbids ${violation}`);
  return wrong;
})()
