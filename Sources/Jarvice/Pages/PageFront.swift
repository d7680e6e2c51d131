// SPDX-License-Identifier: GPL-3.0-or-later

internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Sockets

/// A client's connection: each request goes to its job by a connection of its own, and nothing is read that cannot be passed on.
/// After an upgrade only bytes are.
final class PageFront: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        /// Where the job is, is being looked up. What comes meanwhile waits.
        case looking
        case forwarding(PageBack)
        /// Nothing is read or answered any more.
        case over
    }

    private let site: Site
    private let deadline: ChannelDeadline
    private(set) var exchange: Exchange?
    private var state = State.idle
    /// Of the request whose job is being looked up.
    private var waiting: [HTTPServerRequestPart] = []
    private var isPaused = false
    private var context: ChannelHandlerContext?

    init(_ site: Site, channel: any Channel) {
        self.site = site
        deadline = ChannelDeadline(channel)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { begin(context) }
    }

    func channelActive(context: ChannelHandlerContext) { begin(context) }

    private func begin(_ context: ChannelHandlerContext) {
        deadline.set(site.deadlines.head)
        context.read()
    }

    // MARK: the client

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if case .end = part { exchange?.isSent = true }
        switch state {
        case .idle:
            if case .head(let head) = part { requested(head, context) }
        case .looking: waiting.append(part)
        case .forwarding(let back): back.send(part)
        case .over: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if case .forwarding(let back) = state { back.flush() }
        readMore()
    }

    /// When the job takes more.
    func readMore() {
        guard let context else { return }
        switch state {
        case .idle: context.read()
        case .looking: isPaused = true
        case .forwarding(let back):
            isPaused = !back.isWritable
            if !isPaused { context.read() }
        case .over: break
        }
    }

    /// The job takes more.
    func resume() {
        if isPaused { readMore() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if case .forwarding(let back) = state, context.channel.isWritable { back.resume() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish()
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard error is HTTPParserError, exchange?.isAnswered != true else { return context.close(promise: nil) }
        refuse(.badRequest)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {}

    // MARK: a request

    private func requested(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        deadline.clear()
        guard head.method != .CONNECT, head.method != .TRACE else { return refuse(.methodNotAllowed) }
        guard head.headers["host"].count <= 1 else { return refuse(.badRequest) }
        let target: JobsDomain.Target
        switch site.domain.match(host: head.headers.first(name: "host"), target: head.uri) {
        case nil: return refuse(.notFound)
        case .redirect(let place): return refuse(.permanentRedirect, [("Location", place)])
        case .job(let found): target = found
        }
        let fields = Array(head.headers).map { ($0.name, $0.value) }
        let isSocket = ForwardedFields.asksForSocket(head.method.rawValue, fields)
        // What comes behind a request for another protocol is not read as HTTP any more.
        exchange = Exchange(
            request: head, target: target, isSocket: isSocket,
            closes: !head.isKeepAlive || head.headers.contains(name: "upgrade"))
        state = .looking
        if ForwardedFields.tokens("expect", fields).contains("100-continue") {
            context.writeAndFlush(wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
        }
        // Before it is looked up: a job that ends meanwhile cuts it.
        site.pages.relays.add(context.channel, to: target.jobID)
        let (loop, pages, timeout, room) = (context.eventLoop, site.pages, site.deadlines.connect, site.room)
        let back = NIOLoopBound(PageBack(front: self), eventLoop: loop)
        let found = loop.makePromise(of: Bool.self)
        found.completeWithTask {
            guard let place = try await pages.place(of: target.jobID, secret: target.secret) else { return false }
            _ = try await ClientBootstrap(group: loop).channelOption(.autoRead, value: false)
                .connectTimeout(TimeAmount(timeout))
                .channelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        // Its descriptor is taken by now: not one more of those that are kept from clients.
                        guard room() != DescriptorLimit.Room.none else { throw NoRoom() }
                        try back.value.set(up: channel)
                    }
                }
                .connect(host: place.address, port: place.port).get()
            return true
        }
        found.futureResult.assumeIsolated().whenComplete { self.looked($0, back.value) }
    }

    private func looked(_ result: Result<Bool, any Error>, _ back: PageBack) {
        guard let context, case .looking = state, let exchange else { return back.close() }
        switch result {
        case .success(true):
            site.onTrusted(context.channel)
            state = .forwarding(back)
            back.send(.head(forwarded(exchange, context)))
            for part in waiting { back.send(part) }
            waiting = []
            back.flush()
            back.start()
            resume()
        case .success(false): refuse(.notFound)
        case .failure(let error as JarviceError):
            site.onFailure(exchange.target.jobID, error.message)
            refuse(.serviceUnavailable)
        case .failure(let error):
            site.onFailure(exchange.target.jobID, "\(error)")
            refuse(.badGateway)
        }
    }

    private func forwarded(_ exchange: Exchange, _ context: ChannelHandlerContext) -> HTTPRequestHead {
        let head = exchange.request
        let fields = ForwardedFields.request(
            Array(head.headers).map { ($0.name, $0.value) },
            of: .init(
                address: context.channel.remoteAddress?.ipAddress ?? "unknown", scheme: site.scheme,
                host: head.headers.first(name: "host"), prefix: exchange.target.prefix),
            isSocket: exchange.isSocket)
        return HTTPRequestHead(
            version: .http1_1, method: head.method, uri: exchange.target.path, headers: HTTPHeaders(fields))
    }

    // MARK: its answer

    func answer(_ head: HTTPResponseHead) {
        guard let context, var exchange, !exchange.isAnswered else { return }
        exchange.isAnswered = true
        // The rest of a request that nobody waits for is not taken for the next one.
        exchange.closes = exchange.closes || !exchange.isSent
        var answer = HTTPResponseHead(version: exchange.request.version, status: head.status)
        answer.headers = HTTPHeaders(
            ForwardedFields.answer(
                Array(head.headers).map { ($0.name, $0.value) }, prefix: exchange.target.prefix, isSocket: false))
        let hasLength = answer.headers.contains(name: "content-length")
        // An answer to HEAD has no body, and so no chunks either.
        if exchange.request.method == .HEAD, !hasLength { answer.version = .http1_0 }
        exchange.closes = exchange.closes || (!hasLength && answer.version != .http1_1)
        if exchange.closes { answer.headers.replaceOrAdd(name: "Connection", value: "close") }
        self.exchange = exchange
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
    }

    func body(_ bytes: ByteBuffer) {
        context?.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
    }

    func flush() { context?.flush() }

    var isWritable: Bool { context?.channel.isWritable ?? false }

    /// The job has said all.
    func end() {
        guard let context, let exchange else { return }
        finish()
        state = exchange.closes ? .over : .idle
        let sent = context.eventLoop.makePromise(of: Void.self)
        if exchange.closes {
            sent.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        } else {
            deadline.set(site.deadlines.nextRequest)
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
        readMore()
    }

    /// The job's side has gone before it had said all.
    func lost(_ why: String) {
        guard let context, case .forwarding = state, let exchange else { return }
        guard exchange.isAnswered else {
            site.onFailure(exchange.target.jobID, why)
            return refuse(.badGateway)
        }
        // An end would say that this was all.
        finish()
        context.close(promise: nil)
    }

    /// An answer of our own, the last one.
    private func refuse(_ status: HTTPResponseStatus, _ fields: [(String, String)] = []) {
        guard let context else { return }
        finish()
        state = .over
        let text = ByteBuffer(string: "\(status.code) \(status.reasonPhrase)\n")
        var head = HTTPResponseHead(version: .http1_1, status: status, headers: HTTPHeaders(fields))
        head.headers.add(contentsOf: [
            ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "\(text.readableBytes)"),
            ("Connection", "close"), ("Referrer-Policy", "no-referrer"),
        ])
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(text))), promise: nil)
        let sent = context.eventLoop.makePromise(of: Void.self)
        sent.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: sent)
    }

    private func finish() {
        if let context, let exchange { site.pages.relays.remove(context.channel, from: exchange.target.jobID) }
        if case .forwarding(let back) = state { back.close() }
        (exchange, state, waiting) = (nil, .over, [])
    }

    // MARK: an upgrade

    /// The job has taken the protocol: from here on there are only bytes.
    func upgrade(_ head: HTTPResponseHead, _ back: any Channel) {
        let isSocket =
            ForwardedFields.tokens("upgrade", Array(head.headers).map { ($0.name, $0.value) }) == ["websocket"]
        guard let context, let exchange, exchange.isSocket, exchange.isSent, !exchange.isAnswered, isSocket else {
            back.close(promise: nil)
            return lost("it changed the protocol, which nobody had asked for")
        }
        var answer = HTTPResponseHead(version: .http1_1, status: .switchingProtocols)
        answer.headers = HTTPHeaders(
            ForwardedFields.answer(
                Array(head.headers).map { ($0.name, $0.value) }, prefix: exchange.target.prefix, isSocket: true))
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        // The relay's own end takes it out of the table.
        let (relays, jobID, channel) = (site.pages.relays, exchange.target.jobID, context.channel)
        channel.closeFuture.whenComplete { _ in relays.remove(channel, from: jobID) }
        (self.exchange, state, self.context) = (nil, .over, nil)
        let (here, there) = RelayEnd.pair()
        do {
            try PagePipeline.strip(channel, add: here)
            try PagePipeline.strip(back, add: there)
            // The job's first: its decoder looks at what is written, too, and what the client has sent already is none of HTTP.
            let isOut = try PagePipeline.removeDecoder(back, HTTPResponseDecoder.self)
            isOut.assumeIsolated().whenComplete { _ in
                let decoder = try? PagePipeline.removeDecoder(channel, HTTPRequestDecoder.self)
                guard let decoder else { return channel.close(promise: nil) }
                decoder.assumeIsolated().whenComplete { _ in
                    here.start()
                    there.start()
                }
            }
        } catch {
            channel.close(promise: nil)
            back.close(promise: nil)
        }
    }
}
