// SPDX-License-Identifier: GPL-3.0-or-later

/// What the application script gets for `{DOWNSTREAM_PARAMETERS}`.
struct DownstreamParameters: Sendable {
    var settings: ExecutorSettings
    var images: ContainerImages
    var application: ContainerCredentials
    var initial: ContainerCredentials
    /// MB.
    var overlay: Int
    /// Verbatim; nil: the word `None`.
    var command: String?
    var servicePort = 2228

    /// The names in whose lines credentials stand.
    static let secrets = [
        "SINGULARITY_DOCKER_USERNAME", "SINGULARITY_DOCKER_PASSWORD", "JARVICE_INIT_DOCKER_USERNAME",
        "JARVICE_INIT_DOCKER_PASSWORD", "JARVICE_DOCKER_USERNAME", "JARVICE_DOCKER_PASSWORD", JobSecret.variable,
    ]

    var text: String {
        """
        export JARVICE_JOB_SCRATCH_DIR=\(ShellText.path(ExecutorSettings.directory(settings.scratch)))
        export JARVICE_JOB_GLOBAL_SCRATCH_DIR=\(ShellText.path(ExecutorSettings.directory(settings.globalScratch)))
        export JARVICE_JOB_APP_IS_IN_GLOBAL_REGISTRIES="\(images.isInGlobalRegistries ? "True" : "False")"
        export SINGULARITYENV_JARVICE_SERVICE_PORT=\(servicePort)
        export SINGULARITYENV_JARVICE_SSH_PORT=2227
        export JARVICE_SINGULARITY_TMPDIR=\(ShellText.path(settings.temporaryDirectory))
        export JOB_LOCAL_USER=$USER
        export JARVICE_SINGULARITY_OVERLAY_SIZE=\(overlay)
        export JARVICE_INIT_DOCKER_USERNAME="\(initial.encodedUser)"
        export JARVICE_INIT_DOCKER_PASSWORD="\(initial.encodedPassword)"
        export JARVICE_DOCKER_USERNAME="\(application.encodedUser)"
        export JARVICE_DOCKER_PASSWORD="\(application.encodedPassword)"
        export JARVICE_APP_IMAGE=\(ShellText.word(images.application))
        export JARVICE_INIT_IMAGE=\(ShellText.word(images.initial))
        export JARVICE_CMD=\(command ?? "None")
        export SV_FLAG="-s"
        export SV=\(settings.isVerbose)
        [ "$SV" = "true" ] && export SV_FLAG="-v"
        export SCHTTP_PROXY=\(Self.optional(settings.httpProxy))
        export SCHTTPS_PROXY=\(Self.optional(settings.httpsProxy))
        export SCNO_PROXY=\(Self.optional(settings.noProxy))
        """
    }

    private static func optional(_ text: String) -> String { text.isEmpty ? "" : ShellText.word(text) }
}
