# SPDX-License-Identifier: GPL-3.0-or-later
"""Selectors and topics of the real contracts, by name: what the lab's must have too."""

FUNCTIONS = {
    "MetaScheduler": """
        a217fddf:DEFAULT_ADMIN_ROLE e052888c:METASCHEDULER_ROLE 5fae1450:cancelJob 5e1b2d65:claimNextCancellingJob
        5d3a7180:claimNextJob ebd4bf00:claimNextTopUpJob 72de5b2f:constants a06d083c:credit 4c6dad12:enableRequestNewJob
        248a9ca3:getRoleAdmin 2f2ff15d:grantRole 91d14854:hasRole 7c8fce23:jobs d1cee546:metaSchedule 54b4a0d2:panicJob
        e2eaf3e7:providerJobQueues 13151ec9:providerManager e1c0fdd4:providerSetJobStatus 1f92a63f:refuseJob
        36568abe:renounceRole d9943788:requestNewJob d547741f:revokeRole 329af326:setDelegateSpendingAuthority
        0bba4dc5:setEnableRequestNewJob 01ffc9a7:supportsInterface 18263c59:timeoutJob 2fecc4f6:topUpJob
        69ee1bf9:topUpJobDelegate d77836ce:withdrawAdmin""",
    "ProviderManager": """
        a217fddf:DEFAULT_ADMIN_ROLE 614e7efb:METASCHEDULER_CONTRACT_ROLE e052888c:METASCHEDULER_ROLE daea85c5:approve
        97c3ccd8:ban 6830cdc4:getJobCount 95473b2b:getLabels 55f21eb7:getProvider e5500e40:getProviderHardware
        106859b6:getProviderPrices 248a9ca3:getRoleAdmin f77dd4c0:getWaitingForApprovalProvider 2f2ff15d:grantRole
        91d14854:hasRole 3f6edb5f:incJobCount 97f735d5:isBanned 21457c7e:isValidForScheduling 220f0e4c:isWaitingForApproval
        c4ba667e:jobCountByProvider 94f9b055:register 29092d0e:remove 36568abe:renounceRole d547741f:revokeRole
        01ffc9a7:supportsInterface b9f14557:unban""",
    "ProviderJobQueues": """
        4c2a0b7b:getCancellingJobQueueSize 79490261:getClaimableJobQueueSize c3345ca3:getTopUpJobQueueSize
        20a5f919:hasCancellingJob 6502e50b:hasNextClaimableJob c7070e2c:hasTopUpJob 7c8fce23:jobs 8da5cb5b:owner
        de1a4d46:popNextCancellingJob bd69abf4:popNextClaimableJob 22d398d4:popNextTopUpJob
        407969ae:providerCancellingJobsQueues 110e87a6:providerClaimableJobsQueues bc8f18fb:providerTopUpJobsQueues
        2b72522e:pushCancellingJob 65b4fc49:pushClaimableJob 27fed931:pushTopUpJob 715018a6:renounceOwnership
        f2fde38b:transferOwnership""",
    "JobRepository": """
        a217fddf:DEFAULT_ADMIN_ROLE e052888c:METASCHEDULER_ROLE d651fd61:create 8eaa6ac0:get 89a33883:getByCustomer
        248a9ca3:getRoleAdmin 2f2ff15d:grantRole 91d14854:hasRole 94c159b3:jobIdByCustomer 0f5a11ca:jobIdCounter
        36568abe:renounceRole d547741f:revokeRole b7090331:setCost 49c70dfa:setCustomerAddr fbae3f97:setDefinition
        6bfbf785:setExitCode 8e4de1ca:setHasCancelRequest 2074ba14:setJobName e1908676:setJobStatus b613a721:setLastError
        5aae4bbd:setProviderAddr 6d20cb17:setTime 01ffc9a7:supportsInterface 9a1e0218:update""",
    "Credit": """
        dd62ed3e:allowance 095ea7b3:approve 70a08231:balanceOf 313ce567:decimals a457c2d7:decreaseAllowance
        39509351:increaseAllowance 40c10f19:mint 06fdde03:name 8da5cb5b:owner 715018a6:renounceOwnership 95d89b41:symbol
        18160ddd:totalSupply a9059cbb:transfer 23b872dd:transferFrom f2fde38b:transferOwnership""",
    "Constants": """
        b9590171:billDurationDeltaMinute d7f37cc6:cancellationFeeMinute d6aa37a6:claimJobTimeout a234d90f:deepsquareCut
        bb0c8298:minimumAmount 8da5cb5b:owner 715018a6:renounceOwnership 5e60af51:setBillDurationDeltaMinute
        2bb30159:setCancellationFeeMinute 1d84a59d:setClaimJobTimeout f64a2d67:setDeepsquareCut eeb4a9c8:setMinimumAmount
        c670a130:setTopUpSliceDurationMin 8ce9843b:topUpSliceDurationMin f2fde38b:transferOwnership""",
}
TOPICS = """
    0x17e65314b087df225f56701d0a66a3f7d9ce0f26077307b4b765a19c60a36d44:BilledTooMuchEvent
    0xc8d7c7c2914e1aa1462fe7999f8a18a0f1043d7d94ab692c3ac9af846f1be8c7:ClaimJobEvent
    0x290fa751f58fe2a1f5758b401eb3110dbbb71b68540282856c0dcdcc7011e07d:ClaimNextCancellingJobEvent
    0xa42f2b4a7ee7f91857a4c98fc71fc48546a284d5db48dd77b7ab81030a494470:ClaimNextTopUpJobEvent
    0x50d9c3fab9ef0192905beb84254b4ffb6fe086795cc23de484ec65947b6615a2:JobRefusedEvent
    0x1b831e9023e41b1f2ae42f1cb9a173ca2de2eb05475bf206d3762717a826ada3:NewJobRequestEvent
    0x2f8788117e7eff1d82e926ec794901d17c78024a50270940304540a733656f0d:RoleGranted
    0xf6391f5c32d9c69d2a47ea670b442974b53935d1edc7fd64eb21e047a839171b:RoleRevoked
    0xee9f2f9f53f8a2451cc2e764d1e1f4690a053a9030f64411d67993d66b5231e7:ProviderApproved
    0xfb129c89f1efff73dd65abfbf405fb7406da44fe14952903f6a45f85a576fc7d:ProviderBanChanged
    0x1589f8555933761a3cff8aa925061be3b46e2dd43f621322ab611d300f62b1d9:ProviderRemoved
    0x499ee8b60c37d33e7ef4118e0b351258ec86a6d6cb2e3b71755ee89af0d8e343:ProviderWaitingForApproval
    0xf07e304c87358b8d65d0eb3d3228fa675e734586d63e7af58cdf2c58eec729ab:JobCreated
    0x0bba917f0a1e0fc0d51a75273e7088a4dfecb010699e60ac9c58526429f6c37f:JobTransitionEvent
    0x8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b925:Approval
    0x8be0079c531659141344cd1fd0a4f28419497f9722a3daafe3b4186f6b6457e0:OwnershipTransferred
    0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef:Transfer"""
ERRORS = """
    bdb90210:AlreadyDone() a24a13a6:ArrayLengthMismatch() 7064572b:Banned() 7897ef6d:CustomerMetaSchedulerProviderOnly()
    89423319:CustomerOnly(address,address) 3db2a12a:Empty() 03eb8b54:InsufficientFunds(uint256,uint256) 71c8f460:InvalidJob()
    d208e590:InvalidJobDefinition() e01ba5fa:InvalidNodesCount() 5b23e576:InvalidTotalCpus() 785f1be0:InvalidTotalMem()
    2fef82f8:InvalidTransition(uint8,uint8) 8c6824c2:JobHotStatusOnly(uint8) 32e3065c:JobProviderOnly(address,address)
    090713fe:MetaScheduledScheduledStatusOnly(uint8) 3abe75b3:NewJobRequestDisabled() 97736927:NoJob() 3a43ca41:NoProvider()
    42f99019:NoSpendingAuthority() b4120f14:OutOfBounds() ef341f6d:ProviderNotJoined()
    9003b68a:RemainingTimeAboveLimit(uint256,uint256) 14475eb7:RunningColdStatusOnly(uint8)
    ed3e2aad:RunningScheduledStatusOnly(uint8) 2a856fc9:SameStatusError() 2a9126eb:WaitingApprovalOnly()"""
