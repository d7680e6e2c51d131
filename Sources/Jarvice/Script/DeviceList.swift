// SPDX-License-Identifier: GPL-3.0-or-later

/// `JOBOBJ_DEVICES`: options of the job in the shape of devices.
public struct DeviceList: Sendable, Equatable {
    /// nil: the default one.
    public var partition: String?
    /// Others may use the nodes too.
    public var sharesNodes = false
    /// MB, for this job.
    public var overlay: Int?
    /// Long options of sbatch with their literal values; the last of each.
    public var options: [SbatchOption: String] = [:]

    init() {}

    /// - Parameter text: JSON; nil, or text that is not JSON, is no device at all.
    public init(_ text: String?) throws(JarviceError) {
        guard let text else { return }
        let json: JSONValue
        do {
            json = try JSONValue(parsing: text.utf8)
        } catch {
            return
        }
        guard case .array(let items) = json else {
            throw JarviceError(.refused, "JOBOBJ_DEVICES is not a list of texts")
        }
        for item in items {
            guard let device = item.string else {
                throw JarviceError(
                    .refused, "JOBOBJ_DEVICES has something else than a text: \(item.pythonText.prefix(64))")
            }
            try take(device)
        }
    }

    private mutating func take(_ device: String) throws(JarviceError) {
        let parts = device.split(separator: "=", omittingEmptySubsequences: false).map { PythonText.strip($0) }
        guard parts.count == 2, !parts[0].isEmpty else { throw Self.unknown(device) }
        let (key, value) = (parts[0], parts[1])
        switch key {
        case "partition":
            partition = value.isEmpty ? nil : value
        case "exclusive":
            sharesNodes = sharesNodes || value == "False"
        case "overlay":
            guard let size = PythonText.integer(value), size >= 0 else {
                throw JarviceError(.refused, "device overlay=\(value.prefix(64)): a number of MB, 0 or more")
            }
            overlay = size
        case _ where key.contains("sbatch_"):
            let name = key.replacing("sbatch_", with: "")
            options[try SbatchOption(named: name, value: value)] = value
        default:
            throw Self.unknown(device)
        }
    }

    private static func unknown(_ device: String) -> JarviceError {
        JarviceError(
            .refused,
            "device \"\(device.prefix(64))\" means nothing here; there are partition=, exclusive=, overlay= and "
                + "sbatch_OPTION=")
    }
}
