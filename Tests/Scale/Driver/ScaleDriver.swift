// SPDX-License-Identifier: GPL-3.0-or-later

@main
enum ScaleDriver {
    static func main() async throws {}
}
