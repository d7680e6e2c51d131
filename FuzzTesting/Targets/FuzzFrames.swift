// SPDX-License-Identifier: GPL-3.0-or-later

/// The first byte says in what pieces the rest arrives; however it is cut, the same comes out, and what comes out can be
/// written again.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let bytes, count > 1 else { return 0 }
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    let whole = decode(input.dropFirst(), step: input.count)
    let cut = decode(input.dropFirst(), step: Int(input[0]) + 1)
    hold(whole == cut, "another result in pieces of \(Int(input[0]) + 1)")
    for case .frame(let frame) in whole {
        hold(frame.encoded != nil, "a frame that was read cannot be written")
        _ = try? PluginEvent(frame)
        _ = try? PluginHello(frame)
        if let node = try? PluginNode(frame) {
            hold(!node.node.isEmpty, "a node without a name")
            hold(node.hardware?.cores == nil && node.hardware?.gpus == nil, "a node that tells of a job")
        }
    }
    return 0
}

private func decode(_ bytes: ArraySlice<UInt8>, step: Int) -> [FrameDecoder.Item] {
    var decoder = FrameDecoder()
    var items: [FrameDecoder.Item] = []
    var rest = bytes
    while !rest.isEmpty {
        let piece = rest.prefix(step)
        rest = rest.dropFirst(piece.count)
        do throws(FrameDecoder.Broken) {
            try decoder.feed(piece) { items.append($0) }
        } catch {
            break
        }
        hold(decoder.pendingBytes <= 65_536 + step, "more is held than a frame")
    }
    return items
}
