// SPDX-License-Identifier: GPL-3.0-or-later

public import Ethereum

/// What a provider settles of one customer's jobs (`users.map-file`). nil: as for everybody else.
public struct GridCustomer: Sendable, Hashable {
    /// The login name that its jobs run as.
    public var login: String?
    public var partition: String?
    public var account: String?
    public var qos: String?

    public init(login: String? = nil, partition: String? = nil, account: String? = nil, qos: String? = nil) {
        self.login = login
        self.partition = partition
        self.account = account
        self.qos = qos
    }
}

/// Slurm's side of a customer's jobs: as whom they run, where, and who is charged.
public struct GridPlacement: Codable, Sendable, Hashable {
    public var login: String
    public var partition: String
    /// nil: the user's default.
    public var account: String?
    /// nil: that of the user's association, else the partition's.
    public var qos: String?

    public init(login: String, partition: String, account: String? = nil, qos: String? = nil) {
        self.login = login
        self.partition = partition
        self.account = account
        self.qos = qos
    }
}

extension GridSettings {
    /// The login name that a customer's jobs run as.
    public func login(of customer: Address) -> String {
        customers[customer]?.login ?? users[customer] ?? customer.hex
    }

    /// Where a customer's jobs go.
    public func placement(of customer: Address) -> GridPlacement {
        let own = customers[customer]
        return GridPlacement(
            login: login(of: customer), partition: own?.partition ?? partition, account: own?.account ?? account,
            qos: own?.qos ?? qos)
    }
}
