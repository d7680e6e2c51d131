// SPDX-License-Identifier: GPL-3.0-or-later

/// The first byte chooses the form. A field that was found is text that JSON can be looked for in, and what is read of that is
/// written as the same text again.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let types = [
        "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "multipart/form-data; boundary=\"b",
    ]
    let type = types[Int(input.first ?? 0) % types.count]
    if let field = try? FormBody.field("args", contentType: type, body: Array(input.dropFirst())) {
        hold(field.utf8.count <= 3 * count, "a field longer than its form")
        if let json = try? JSONValue(parsing: field.utf8), let text = json.string {
            let written = try? JSONValue(parsing: JSONText(text).text.utf8)
            hold(written?.string == text, "another text when read again")
        }
    }
    if let json = try? JSONValue(parsing: input) { _ = json.pythonText }
    if let text = text(bytes, count) { _ = FormBody.parameter("boundary", of: text) }
    return 0
}
