// SPDX-License-Identifier: GPL-3.0-or-later

import Ethereum
import Foundation

@testable import DeepSquare

/// What the lab's grid paid, as its chain gave the receipts: a job of 16.74 credits a minute, ended by its provider.
enum RecordedGrid {
    static let contracts = GridContracts(
        metaScheduler: known("0x1c8ccdbf0f73f7ace724e6166c5e1213ecf5498d"),
        jobs: known("0xe17849a58921c00b53b62848d22b2b500302071c"),
        providers: known("0x5652b99f44ca29cf986eb68012b5abb7f7ae25d6"),
        queues: known("0x4adee52424b16bcc941e084a18f88420f830e66a"),
        credit: known("0x27762a83e206969b1ce8bc5cd994a9dfde4c2e2a"),
        constants: known("0x538e5303bfd552d68cd5324ce3df5cfba367e97a"))
    static let provider = known("0x2c7536e3605d9c16a7a3d7b1898e529396a65c23")
    static let customer = known("0xc066e78c84262e6bdbdb2248f871c9abd3c333e4")

    private static func known(_ hex: String) -> Address { Address(hex: hex) ?? .zero }

    /// Job 1: Finished after ten minutes; 133.92 credits of 167.4 for the provider, and the change for the customer.
    static let finished = """
        {"transactionHash":"0x36bf9de44ce9394f6b5db737bdc417e7978224dd0ac2c469c3bb2a58872292d2","blockHash":"0x4\
        ff60b3c3c56dc37015284f258667d4b61d7b41544395195013c96f2f503ba4f","blockNumber":"0x1a","status":"0x1","ga\
        sUsed":"0x3b0ef","effectiveGasPrice":"0x7947c702","contractAddress":null,"logs":[{"address":"0x27762a83e\
        206969b1ce8bc5cd994a9dfde4c2e2a","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df5\
        23b3ef","0x0000000000000000000000001c8ccdbf0f73f7ace724e6166c5e1213ecf5498d","0x000000000000000000000000\
        2c7536e3605d9c16a7a3d7b1898e529396a65c23"],"data":"0x000000000000000000000000000000000000000000000007428\
        36a7620500000","blockNumber":"0x1a","blockHash":"0x4ff60b3c3c56dc37015284f258667d4b61d7b41544395195013c9\
        6f2f503ba4f","transactionHash":"0x36bf9de44ce9394f6b5db737bdc417e7978224dd0ac2c469c3bb2a58872292d2","log\
        Index":"0x0","removed":false},{"address":"0x27762a83e206969b1ce8bc5cd994a9dfde4c2e2a","topics":["0xddf25\
        2ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef","0x0000000000000000000000001c8ccdbf0f73f7ac\
        e724e6166c5e1213ecf5498d","0x000000000000000000000000c066e78c84262e6bdbdb2248f871c9abd3c333e4"],"data":"\
        0x00000000000000000000000000000000000000000000002d22a568b2363c0000","blockNumber":"0x1a","blockHash":"0x\
        4ff60b3c3c56dc37015284f258667d4b61d7b41544395195013c96f2f503ba4f","transactionHash":"0x36bf9de44ce9394f6\
        b5db737bdc417e7978224dd0ac2c469c3bb2a58872292d2","logIndex":"0x1","removed":false},{"address":"0xe17849a\
        58921c00b53b62848d22b2b500302071c","topics":["0x0bba917f0a1e0fc0d51a75273e7088a4dfecb010699e60ac9c585264\
        29f6c37f"],"data":"0x00000000000000000000000000000000000000000000000000000000000000010000000000000000000\
        00000000000000000000000000000000000000000000300000000000000000000000000000000000000000000000000000000000\
        00005","blockNumber":"0x1a","blockHash":"0x4ff60b3c3c56dc37015284f258667d4b61d7b41544395195013c96f2f503b\
        a4f","transactionHash":"0x36bf9de44ce9394f6b5db737bdc417e7978224dd0ac2c469c3bb2a58872292d2","logIndex":"\
        0x2","removed":false}]}
        """
    /// Job 2: Failed from Scheduled; all credits go back.
    static let neverRan = """
        {"transactionHash":"0x6c2a77408d77e9db3b0fde4b59a34c2906e7f25f11ec79dd1356c63069c1ba97","blockHash":"0x3\
        accc230469ae926928b91b20231c3cdd50f4a55d3261debea976d99b0e7d645","blockNumber":"0x1e","status":"0x1","ga\
        sUsed":"0x366a7","effectiveGasPrice":"0x786fa195","contractAddress":null,"logs":[{"address":"0x27762a83e\
        206969b1ce8bc5cd994a9dfde4c2e2a","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df5\
        23b3ef","0x0000000000000000000000001c8ccdbf0f73f7ace724e6166c5e1213ecf5498d","0x000000000000000000000000\
        c066e78c84262e6bdbdb2248f871c9abd3c333e4"],"data":"0x00000000000000000000000000000000000000000000003635c\
        9adc5dea00000","blockNumber":"0x1e","blockHash":"0x3accc230469ae926928b91b20231c3cdd50f4a55d3261debea976\
        d99b0e7d645","transactionHash":"0x6c2a77408d77e9db3b0fde4b59a34c2906e7f25f11ec79dd1356c63069c1ba97","log\
        Index":"0x0","removed":false},{"address":"0xe17849a58921c00b53b62848d22b2b500302071c","topics":["0x0bba9\
        17f0a1e0fc0d51a75273e7088a4dfecb010699e60ac9c58526429f6c37f"],"data":"0x00000000000000000000000000000000\
        00000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000200000000\
        00000000000000000000000000000000000000000000000000000006","blockNumber":"0x1e","blockHash":"0x3accc23046\
        9ae926928b91b20231c3cdd50f4a55d3261debea976d99b0e7d645","transactionHash":"0x6c2a77408d77e9db3b0fde4b59a\
        34c2906e7f25f11ec79dd1356c63069c1ba97","logIndex":"0x1","removed":false}]}
        """
    /// Job 3, of the provider itself: Cancelled after a minute; 13.392 credits of 16.74, and the change.
    static let ownJob = """
        {"transactionHash":"0xcba95d8ab1022efb3b577d573210203f68416a3175232227cad4dcc7481db0f9","blockHash":"0xa\
        2066140ee464e5ace496d9ae0864b1051d139a23cdfb9010faf83c9bf05275d","blockNumber":"0x25","status":"0x1","ga\
        sUsed":"0x35b3a","effectiveGasPrice":"0x77b283b3","contractAddress":null,"logs":[{"address":"0x27762a83e\
        206969b1ce8bc5cd994a9dfde4c2e2a","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df5\
        23b3ef","0x0000000000000000000000001c8ccdbf0f73f7ace724e6166c5e1213ecf5498d","0x000000000000000000000000\
        2c7536e3605d9c16a7a3d7b1898e529396a65c23"],"data":"0x000000000000000000000000000000000000000000000000b9d\
        9f10bd0080000","blockNumber":"0x25","blockHash":"0xa2066140ee464e5ace496d9ae0864b1051d139a23cdfb9010faf8\
        3c9bf05275d","transactionHash":"0xcba95d8ab1022efb3b577d573210203f68416a3175232227cad4dcc7481db0f9","log\
        Index":"0x0","removed":false},{"address":"0x27762a83e206969b1ce8bc5cd994a9dfde4c2e2a","topics":["0xddf25\
        2ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef","0x0000000000000000000000001c8ccdbf0f73f7ac\
        e724e6166c5e1213ecf5498d","0x0000000000000000000000002c7536e3605d9c16a7a3d7b1898e529396a65c23"],"data":"\
        0x0000000000000000000000000000000000000000000000048376f0de9f060000","blockNumber":"0x25","blockHash":"0x\
        a2066140ee464e5ace496d9ae0864b1051d139a23cdfb9010faf83c9bf05275d","transactionHash":"0xcba95d8ab1022efb3\
        b577d573210203f68416a3175232227cad4dcc7481db0f9","logIndex":"0x1","removed":false},{"address":"0xe17849a\
        58921c00b53b62848d22b2b500302071c","topics":["0x0bba917f0a1e0fc0d51a75273e7088a4dfecb010699e60ac9c585264\
        29f6c37f"],"data":"0x00000000000000000000000000000000000000000000000000000000000000030000000000000000000\
        00000000000000000000000000000000000000000000300000000000000000000000000000000000000000000000000000000000\
        00004","blockNumber":"0x25","blockHash":"0xa2066140ee464e5ace496d9ae0864b1051d139a23cdfb9010faf83c9bf052\
        75d","transactionHash":"0xcba95d8ab1022efb3b577d573210203f68416a3175232227cad4dcc7481db0f9","logIndex":"\
        0x2","removed":false}]}
        """
    /// Job 4, of the provider itself: Cancelled from Scheduled; all credits go back.
    static let ownJobNeverRan = """
        {"transactionHash":"0xb1cfa753f8524db470581744173f5acc27d1e8d2deb08031d69fdc4e69dc8359","blockHash":"0xf\
        1acf52d5322b027fcee1cf8385a61584a4ad419e6d135db348acb4b87ccff3a","blockNumber":"0x29","status":"0x1","ga\
        sUsed":"0x2b911","effectiveGasPrice":"0x777f92f0","contractAddress":null,"logs":[{"address":"0x27762a83e\
        206969b1ce8bc5cd994a9dfde4c2e2a","topics":["0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df5\
        23b3ef","0x0000000000000000000000001c8ccdbf0f73f7ace724e6166c5e1213ecf5498d","0x000000000000000000000000\
        2c7536e3605d9c16a7a3d7b1898e529396a65c23"],"data":"0x0000000000000000000000000000000000000000000000056bc\
        75e2d63100000","blockNumber":"0x29","blockHash":"0xf1acf52d5322b027fcee1cf8385a61584a4ad419e6d135db348ac\
        b4b87ccff3a","transactionHash":"0xb1cfa753f8524db470581744173f5acc27d1e8d2deb08031d69fdc4e69dc8359","log\
        Index":"0x0","removed":false},{"address":"0xe17849a58921c00b53b62848d22b2b500302071c","topics":["0x0bba9\
        17f0a1e0fc0d51a75273e7088a4dfecb010699e60ac9c58526429f6c37f"],"data":"0x00000000000000000000000000000000\
        00000000000000000000000000000004000000000000000000000000000000000000000000000000000000000000000200000000\
        00000000000000000000000000000000000000000000000000000004","blockNumber":"0x29","blockHash":"0xf1acf52d53\
        22b027fcee1cf8385a61584a4ad419e6d135db348acb4b87ccff3a","transactionHash":"0xb1cfa753f8524db470581744173\
        f5acc27d1e8d2deb08031d69fdc4e69dc8359","logIndex":"0x1","removed":false}]}
        """

    static func receipt(_ json: String) throws -> TransactionReceipt? {
        try TransactionReceipt.read(JSONValue(parsing: json.utf8))
    }
}
