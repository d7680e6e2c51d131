// SPDX-License-Identifier: GPL-3.0-or-later

/// A node's answers, to one call and to two; and what they hold as header, log, receipt.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = Array(UnsafeBufferPointer(start: bytes, count: count))
    for calls in 1...2 {
        guard let results = try? RPCCodec.decode(input, count: calls, firstID: 1) else { continue }
        hold(results.count == calls, "not one result for each call")
        for result in results {
            switch result {
            case .success(let value): look(at: value)
            case .failure(let error): hold(error.message.utf8.count < 2000, "an endless message")
            }
        }
    }
    _ = RPCCodec.refusal(input, count: 1)
    _ = RPCCodec.isAnswer(input)
    var parser = JSONParser()
    _ = try? parser.parse(input)
    hold(parser.steps <= JSONParser.worstSteps(bytes: count), "more than one pass")
    return 0
}

private func look(at value: JSONValue) {
    _ = try? BlockHeader(value)
    _ = try? ChainLog.readAll(value)
    if let log = try? ChainLog.read(value) { hold(log.topics.count <= 4, "too many topics") }
    _ = try? TransactionReceipt.read(value)
    _ = value.text.flatMap(Quantity.decode)
}
