// SPDX-License-Identifier: GPL-3.0-or-later

/// An application script that upstream made: read and checked, in the order in which the reference does it.
public struct ApplicationScript: Sendable {
    /// The cluster's own machines.
    public struct Site: Sendable {
        public var executor: ExecutorSettings
        /// As `uname -m` says it.
        public var machine: String
        /// Users can open the pages of interactive jobs.
        public var hasPages: Bool
        public var servicePort: Int

        public init(executor: ExecutorSettings, machine: String, hasPages: Bool = false, servicePort: Int = 2228) {
            self.executor = executor
            self.machine = machine
            self.hasPages = hasPages
            self.servicePort = servicePort
        }
    }

    public var isInteractive: Bool
    public var cores: Int
    public var gpus: Int?
    /// GiB a node.
    public var memory: Int?
    /// Slurm's text.
    public var timeLimit: String?
    public var licenses: String?
    public var devices: DeviceList
    /// With the parameters filled in.
    public var text: String

    /// What upstream is told of an application that is too old: the only refusal that is no error.
    public static let tooOld = "Appdef V2+ is required for this downstream"

    /// nil: the application's definition is older than version 2.
    public init?(base64: String, site: Site) throws(JarviceError) {
        guard let bytes = PythonText.base64(base64) else {
            throw JarviceError(.refused, "the application script is not base64")
        }
        guard let script = String(validating: bytes, as: UTF8.self) else {
            throw JarviceError(.refused, "the application script is not UTF-8 text")
        }
        let keys = ScriptKeys(script)
        let version = try keys.requiredInteger("JOBOBJ_APPDEFVERSION")
        cores = try keys.requiredInteger("JARVICE_CPU_CORES")
        gpus = try keys.positive("JOBOBJ_GPUS")
        memory = try keys.positive("JOBOBJ_RAM")
        timeLimit = keys["JOBOBJ_WALLTIME"].flatMap { $0 == "None" ? nil : $0 }
        licenses = keys["JOBOBJ_LICENSES"]
        let repository = try keys.required("JOBOBJ_REPO")
        guard version >= 2 else { return nil }
        // Whatever else it says, or nothing.
        isInteractive = keys["JOBOBJ_INTERACTIVE"] != "False"
        guard !isInteractive || site.hasPages else {
            throw JarviceError(
                .refused,
                "an interactive job (JOBOBJ_INTERACTIVE is not False), and jarvice.jobs.domain and jarvice.jobs.listen "
                    + "are not set: batch jobs only")
        }
        guard cores > 0 else { throw JarviceError(.refused, "JARVICE_CPU_CORES is \(cores)") }
        let registries = site.executor.registries
        let application = try ContainerCredentials(
            repository: repository, auths: keys["JOBOBJ_CTRSECRET"], secret: keys["JOBOBJ_DOCKER_SECRET"])
        let initial = try ContainerCredentials(
            encodedUser: registries.initUser, encodedPassword: registries.initPassword)
        let images = try ContainerImages(
            repository: repository, nae: keys["JOBOBJ_NAE"], definitionVersion: version,
            architecture: keys["JOBOBJ_ARCH"], machine: site.machine, registries)
        // Known before the devices are, as the reference has it; only the overlay may be one of them.
        let found = try Self.devices(keys["JOBOBJ_DEVICES"])
        let parameters = DownstreamParameters(
            settings: site.executor, images: images, application: application, initial: initial,
            overlay: found.list?.overlay ?? site.executor.overlay, command: keys["JARVICE_CMD"],
            servicePort: site.servicePort)
        do throws(FormatTemplate.Malformed) {
            text = try FormatTemplate.format(script, name: "DOWNSTREAM_PARAMETERS", value: parameters.text)
        } catch {
            throw JarviceError(.refused, "the application script is no template: \(error.description)")
        }
        if let problem = found.problem { throw problem }
        devices = found.list ?? DeviceList()
    }

    private static func devices(
        _ text: String?
    ) throws(JarviceError) -> (list: DeviceList?, problem: JarviceError?) {
        do throws(JarviceError) {
            return (try DeviceList(text), nil)
        } catch {
            return (nil, error)
        }
    }
}
