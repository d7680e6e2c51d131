// SPDX-License-Identifier: GPL-3.0-or-later

/// Why a job waits or failed, in the words of squeue and scontrol (`enum job_state_reason` of slurm.h).
public struct JobReason: Sendable, Hashable, Codable, CustomStringConvertible {
    /// Slurm's number; 0 is "None".
    public var number: UInt32

    public init(number: UInt32) {
        self.number = number
    }

    /// WAIT_HELD: not the job's user holds it. slurmctld has another reason for that.
    public static let heldByAdministrator = JobReason(number: 8)

    /// Slurm's word for it; `Reason<number>` for one that is newer than this table.
    public var description: String {
        Int(number) < Self.names.count ? Self.names[Int(number)] : "Reason\(number)"
    }

    /// The numbers are positions. Slurm appends to the list; of the retired ones a newer release took up 17 and 33
    /// again, which the wording here leaves at the older meaning.
    private static let names: [String] = [
        "None", "Priority", "Dependency", "Resources", "PartitionNodeLimit", "PartitionTimeLimit", "PartitionDown",
        "PartitionInactive", "JobHeldAdmin", "BeginTime", "Licenses", "AssociationJobLimit",
        "AssociationResourceLimit", "AssociationTimeLimit", "Reservation", "ReqNodeNotAvail", "JobHeldUser",
        "FrontEndDown", "SchedDefer", "PartitionDown", "NodeDown", "BadConstraints", "SystemFailure",
        "JobLaunchFailure", "NonZeroExitCode", "TimeLimit", "InactiveLimit", "InvalidAccount", "InvalidQOS",
        "QOSUsageThreshold", "QOSJobLimit", "QOSResourceLimit", "QOSTimeLimit", "BlockMaxError", "BlockFreeAction",
        "Cleaning", "Prolog", "QOSNotAllowed", "AccountNotAllowed", "DependencyNeverSatisfied", "QOSGrpCpuLimit",
        "QOSGrpCPUMinutesLimit", "QOSGrpCPURunMinutesLimit", "QOSGrpJobsLimit", "QOSGrpMemLimit", "QOSGrpNodeLimit",
        "QOSGrpSubmitJobsLimit", "QOSGrpWallLimit", "QOSMaxCpuPerJobLimit", "QOSMaxCpuMinutesPerJobLimit",
        "QOSMaxNodePerJobLimit", "QOSMaxWallDurationPerJobLimit", "QOSMaxCpuPerUserLimit", "QOSMaxJobsPerUserLimit",
        "QOSMaxNodePerUserLimit", "QOSMaxSubmitJobPerUserLimit", "QOSMinCpuNotSatisfied", "AssocGrpCpuLimit",
        "AssocGrpCPUMinutesLimit", "AssocGrpCPURunMinutesLimit", "AssocGrpJobsLimit", "AssocGrpMemLimit",
        "AssocGrpNodeLimit", "AssocGrpSubmitJobsLimit", "AssocGrpWallLimit", "AssocMaxJobsLimit",
        "AssocMaxCpuPerJobLimit", "AssocMaxCpuMinutesPerJobLimit", "AssocMaxNodePerJobLimit",
        "AssocMaxWallDurationPerJobLimit", "AssocMaxSubmitJobLimit", "JobHoldMaxRequeue", "JobArrayTaskLimit",
        "BurstBufferResources", "BurstBufferStageIn", "BurstBufferOperation", "PowerNotAvail", "PowerReserved",
        "AssocGrpUnknown", "AssocGrpUnknownMinutes", "AssocGrpUnknownRunMinutes", "AssocMaxUnknownPerJob",
        "AssocMaxUnknownPerNode", "AssocMaxUnknownMinutesPerJob", "AssocMaxCpuPerNode", "AssocGrpMemMinutes",
        "AssocGrpMemRunMinutes", "AssocMaxMemPerJob", "AssocMaxMemPerNode", "AssocMaxMemMinutesPerJob",
        "AssocGrpNodeMinutes", "AssocGrpNodeRunMinutes", "AssocMaxNodeMinutesPerJob", "AssocGrpEnergy",
        "AssocGrpEnergyMinutes", "AssocGrpEnergyRunMinutes", "AssocMaxEnergyPerJob", "AssocMaxEnergyPerNode",
        "AssocMaxEnergyMinutesPerJob", "AssocGrpGRES", "AssocGrpGRESMinutes", "AssocGrpGRESRunMinutes",
        "AssocMaxGRESPerJob", "AssocMaxGRESPerNode", "AssocMaxGRESMinutesPerJob", "AssocGrpLicense",
        "AssocGrpLicenseMinutes", "AssocGrpLicenseRunMinutes", "AssocMaxLicensePerJob",
        "AssocMaxLicenseMinutesPerJob", "AssocGrpBB", "AssocGrpBBMinutes", "AssocGrpBBRunMinutes", "AssocMaxBBPerJob",
        "AssocMaxBBPerNode", "AssocMaxBBMinutesPerJob", "QOSGrpUnknown", "QOSGrpUnknownMinutes",
        "QOSGrpUnknownRunMinutes", "QOSMaxUnknownPerJob", "QOSMaxUnknownPerNode", "QOSMaxUnknownPerUser",
        "QOSMaxUnknownMinutesPerJob", "QOSMinUnknown", "QOSMaxCpuPerNode", "QOSGrpMemoryMinutes",
        "QOSGrpMemoryRunMinutes", "QOSMaxMemoryMinutesPerJob", "QOSMaxMemoryPerJob", "QOSMaxMemoryPerNode",
        "QOSMaxMemoryPerUser", "QOSMinMemory", "QOSGrpEnergy", "QOSGrpEnergyMinutes", "QOSGrpEnergyRunMinutes",
        "QOSMaxEnergyPerJob", "QOSMaxEnergyPerNode", "QOSMaxEnergyPerUser", "QOSMaxEnergyMinutesPerJob",
        "QOSMinEnergy", "QOSGrpNodeMinutes", "QOSGrpNodeRunMinutes", "QOSMaxNodeMinutesPerJob", "QOSMinNode",
        "QOSGrpGRES", "QOSGrpGRESMinutes", "QOSGrpGRESRunMinutes", "QOSMaxGRESPerJob", "QOSMaxGRESPerNode",
        "QOSMaxGRESPerUser", "QOSMaxGRESMinutesPerJob", "QOSMinGRES", "QOSGrpLicense", "QOSGrpLicenseMinutes",
        "QOSGrpLicenseRunMinutes", "QOSMaxLicensePerJob", "QOSMaxLicensePerUser", "QOSMaxLicenseMinutesPerJob",
        "QOSMinLicense", "QOSGrpBB", "QOSGrpBBMinutes", "QOSGrpBBRunMinutes", "QOSMaxBBPerJob", "QOSMaxBBPerNode",
        "QOSMaxBBPerUser", "AssocMaxBBMinutesPerJob", "QOSMinBB", "DeadLine", "MaxBBPerAccount", "MaxCpuPerAccount",
        "MaxEnergyPerAccount", "MaxGRESPerAccount", "MaxNodePerAccount", "MaxLicensePerAccount",
        "MaxMemoryPerAccount", "MaxUnknownPerAccount", "MaxJobsPerAccount", "MaxSubmitJobsPerAccount",
        "PartitionConfig", "AccountingPolicy", "FedJobLock", "OutOfMemory", "MaxMemPerLimit", "AssocGrpBilling",
        "AssocGrpBillingMinutes", "AssocGrpBillingRunMinutes", "AssocMaxBillingPerJob", "AssocMaxBillingPerNode",
        "AssocMaxBillingMinutesPerJob", "QOSGrpBilling", "QOSGrpBillingMinutes", "QOSGrpBillingRunMinutes",
        "QOSMaxBillingPerJob", "QOSMaxBillingPerNode", "QOSMaxBillingPerUser", "QOSMaxBillingMinutesPerJob",
        "MaxBillingPerAccount", "QOSMinBilling", "ReservationDeleted", "ReservationInvalid",
    ]
}
