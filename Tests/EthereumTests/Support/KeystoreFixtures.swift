// SPDX-License-Identifier: GPL-3.0-or-later

/// Keystores of the tests' key in the forms that other programs write, of cheap derivations, made with Python's hashlib and
/// pycryptodome; and published test vectors.
enum KeystoreFixtures {
    /// The program, the password, the file.
    static let ours: [(form: String, password: String, file: String)] = [
        (
            "geth", "correct horse",
            """
            {"address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23", "crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "2c085e3852f61007f85d08f9e14b8cbb45501826918d02538880b4470fd06c42",\
             "cipherparams": {"iv": "b7f9ba77d8b84a834a5e470772d2b739"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 4096, "r": 8, "p": 1,\
             "salt": "7597262c9789b72b85f3904b4f1bf20d6b90f9e69c8f26862fe07a4c2ea00e6a"},\
             "mac": "0eb7f6a771d510d65f1b7703d0cacddc0c3f65e4eb251c13c5fb1c6c4c409841"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "geth --lightkdf", "correct horse",
            """
            {"address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23", "crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "2add95492491fe0638e0ed600b2d7ae5b607e6f44687e81b48deab57e3e89d5a",\
             "cipherparams": {"iv": "1356074299cfea74708b3aaf40f8f114"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 4096, "r": 8, "p": 6,\
             "salt": "92a79e31dafaea4616d8a54a12b17908eb264db8332216ca4552454538f1a467"},\
             "mac": "1991222180a719ccee40531c43faa631025820a25420b5e175f04d6265c9eca3"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "ethers 5 and 6", "correct horse",
            """
            {"address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23",\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3, "Crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "b26e2e888b16bc7057f8021b5c5dcd407f84ea57c0d7bbffb21b2b8efb41fba7",\
             "cipherparams": {"iv": "7b7d366b28e2a10d01676154203a3397"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 4096, "r": 8, "p": 1,\
             "salt": "1649dad46fb769020fd3b18cab1eb22be82fa30f9056ad467b0b131763a80c08"},\
             "mac": "eb9f585ff2d6d6f17696828505de636a1edf7d5756233145332204ff68a7c6f0"},\
             "x-ethers": {"client": "ethers/6.0.0", "gethFilename": "UTC--2026", "path": "m/44'/60'/0'/0/0",\
             "locale": "en", "mnemonicCounter": "00", "mnemonicCiphertext": "00", "version": "0.1"}}
            """
        ),
        (
            "web3.py, scrypt", "correct horse",
            """
            {"address": "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23", "crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "a9d0d2c11945dfaf3c6c595091172526364781ef02e96037f098ebc0e8682e0e",\
             "cipherparams": {"iv": "3c1d2634a50fb26bd4c82d79e62e1407"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 2048, "r": 8, "p": 1,\
             "salt": "8ed536fe852f20b9e00d2142db6ca0d5352024fd8a7f19052a0280809bc60217"},\
             "mac": "7711016101dd0467459197a088b01d89acadf6348e76b851ab30efb79d64506c"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "web3.py, pbkdf2", "correct horse",
            """
            {"address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23", "crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "3bf29cdc1449ded36c139e4a381e6704ee459880f06c4d998f03f88acffb9768",\
             "cipherparams": {"iv": "0332fd61c04cb5df41446ec52286d8b3"}, "kdf": "pbkdf2",\
             "kdfparams": {"c": 1024, "dklen": 32, "prf": "hmac-sha256",\
             "salt": "8e117a948d2196884a66aae7abea214965181ac4cb58ada561a20a87b60c352c"},\
             "mac": "03751815f479fd7a276f933ba7f2717efe2ad878e25e33194b0e2c259b7e74e7"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "foundry", "correct horse",
            """
            {"crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "ff6641fb517709922f90660dc00005deb5638326dc0f2219f1163c6b97a8b31b",\
             "cipherparams": {"iv": "23b45470482511bcbb16173d0ca93697"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 8192, "r": 8, "p": 1,\
             "salt": "4298b523456ac09e53458caed49552a036966b11683a5422c0194ebdca0494e7"},\
             "mac": "ea26bced4e4c74fbed0024288d5cba62eff9a8778e50fcb2b897c87bb7cd40aa"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "parity", "correct horse",
            """
            {"id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3, "crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "e5a93f9d5b670442f7f1295913befcd0ecf11e6b8bdebe979bc98ed3ed983d33",\
             "cipherparams": {"iv": "f0ce3e07715f39731d08fde4590cb160"}, "kdf": "pbkdf2",\
             "kdfparams": {"c": 10240, "dklen": 32, "prf": "hmac-sha256",\
             "salt": "f030d00f26cd9fa24bb66f71aa038276153f3791e87502058d8e84ca0bdc3e82"},\
             "mac": "1fa69ca395f24bf9cfc699cbdf7366693506264d80b813946c866f7093a113f7"},\
             "address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23", "name": "", "meta": "{}"}
            """
        ),
        (
            "parity, private", "correct horse",
            """
            {"id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3, "crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "5067e0366a3589df1c976728e1e807b1d431cb5b7c57c8f9ac9f45e75e4fb937",\
             "cipherparams": {"iv": "efee6d3d59533e35cbeadf091f6e5c76"}, "kdf": "pbkdf2",\
             "kdfparams": {"c": 10240, "dklen": 32, "prf": "hmac-sha256",\
             "salt": "823190b9db7bf08d76a55f4e62fefdace063f269e977ce7d8fbef040c869f7d1"},\
             "mac": "969fc9a0be751920c45f89f88e2ef03f68bfa44adbcf2b3a613e261a091480a9"}, "address": null,\
             "name": "x", "meta": "{\\"a\\":[1]}"}
            """
        ),
        (
            "MyEtherWallet", "correct horse",
            """
            {"version": 3, "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",\
             "address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23",\
             "Crypto": {"ciphertext": "aa572c8cbf6fcbcaa7712d908ea0928d6f5348bf95faa3fee9d8c606181b1f23",\
             "cipherparams": {"iv": "7d1a0de52a9ace6c7e80879e883f8ccf"}, "cipher": "aes-128-ctr",\
             "kdf": "scrypt", "kdfparams": {"dklen": 32, "n": 1024, "r": 8, "p": 1,\
             "salt": "d73302fdf4e47b11e97571e840c3d64392c710abd29079223c2908c3b476954b"},\
             "mac": "f1efe5a6cd0a1be5bfa4d794ac6f1c3c4474f68c581bddabfbf7d76320b92e2d"}}
            """
        ),
        (
            "ethers, hmac-sha512", "correct horse",
            """
            {"version": "3", "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "address": "",\
             "Crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "440caaf37a407980aaf52498ceb5bd187ecf8fb205fa4698bd8aa64450b2eb00",\
             "cipherparams": {"iv": "5162baf52f4f51c59bbe39472991bd32"}, "kdf": "pbkdf2",\
             "kdfparams": {"c": 1024, "dklen": 32, "prf": "hmac-sha512",\
             "salt": "2355aacb9768e42b1518f31e84c6e9d9da22cd5e88ad46cfccd6a50a543e664d"},\
             "mac": "7eb298bc8fc76e681054f6604b1fcc05ac17c3fd01f46b8548efe721dc112968"}}
            """
        ),
        (
            "numbers as text, digits with 0x, a longer derived key", "correct horse",
            """
            {"Version": 3, "ID": "3198bc9c-6672-5ab3-d995-4942343ae5b6",\
             "Address": "0x2C7536E3605D9C16A7A3D7B1898E529396A65C23", "CRYPTO": {"cipher": "aes-128-ctr",\
             "ciphertext": "0x5CC276539732B132CFDC7B32CA0B28304AD1DDA3AC1F78BE346E600E0C8F2548",\
             "cipherparams": {"iv": "0b2c396b803d7030b48e4b22d7755892"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 64, "n": "4096", "r": 8.0, "p": 1,\
             "salt": "846e98cfe273b3f4146acdc4ea55524faa35a71fd60c1f8fe356fc0c3058c877"},\
             "mac": "0x713F0BE06BDFD3629E37ACF214DF00BCC60CCE9277DE252406E71171DD873BC1"}}
            """
        ),
        (
            "web3dart: a zero byte more", "correct horse",
            """
            {"crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "03b5ec7c3693e921ae927bac96b339e10a7ca239f06654cbefe654808cae24f9f8",\
             "cipherparams": {"iv": "56acb1ce0e83caa570c87a25306ee488"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 4096, "r": 8, "p": 1,\
             "salt": "53a3f7aebb705b8c5ef1efefead1d9373c53098a57a2b511d00f1d1c5e396f62"},\
             "mac": "741971cd37c2cc0c3387611fba4083a3881dc4d423f460e990bd1304a04fc581"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "a mark before UTF-8", "correct horse",
            """
            \u{FEFF}{"crypto": {"cipher": "aes-128-ctr",\
             "ciphertext": "2deaca9995edb223347b3b9bb0c66d4a25d460af68e1de513666414cfeebf8be",\
             "cipherparams": {"iv": "61a8a78c6fc62832ca067e57336af50f"}, "kdf": "scrypt",\
             "kdfparams": {"dklen": 32, "n": 4096, "r": 8, "p": 1,\
             "salt": "310da52c73247d51538d7f3b2f6d9d751efb97e564f155949584fddca4720c22"},\
             "mac": "a81f1b1be2972b766d014a6993457b5e0cdf12713579cada70ac740e8e47be70"},\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
        (
            "geth without a password", "",
            """
            {"address": "2c7536e3605d9c16a7a3d7b1898e529396a65c23",\
             "privatekey": "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318",\
             "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6", "version": 3}
            """
        ),
    ]

    /// Of version 1, with its account: go-ethereum's test vector.
    static let published: [(form: String, password: String, owner: String, file: String)] = [
        (
            "geth's of 2015", "g", "cb61d5a9c4896fb9658090b597ef0e7be6f7b67e",
            """
            {"address":"cb61d5a9c4896fb9658090b597ef0e7be6f7b67e","Crypto":{"cipher":"aes-128-cbc",\
            "ciphertext":"6143d3192db8b66eabd693d9c4e414dcfaee52abda451af79ccf474dafb35f1bfc7ea013aa9d2ee35\
            969a1a2e8d752d0","cipherparams":{"iv":"35337770fc2117994ecdcad026bccff4"},"kdf":"scrypt",\
            "kdfparams":{"n":262144,"r":8,"p":1,"dklen":32,\
            "salt":"9afcddebca541253a2f4053391c673ff9fe23097cd8555d149d929e4ccf1257f"},\
            "mac":"3f3d5af884b17a100b0b3232c0636c230a54dc2ac8d986227219b0dd89197644","version":"1"},\
            "id":"e25f7c1f-d318-4f29-b62c-687190d4d299","version":"1"}
            """
        )
    ]

    /// Keys that were written as numbers, with the keys: go-ethereum's test vectors.
    static let short: [(form: String, password: String, owner: String, file: String)] = [
        (
            "31 bytes", "foo", "fa7b3db73dc7dfdf8c5fbdb796d741e4488628c41fc4febd9160a866ba0f35",
            """
            {"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"e0c41130a323adc1446fc82f724bca2f"},\
            "ciphertext":"9517cd5bdbe69076f9bf5057248c6c050141e970efa36ce53692d5d59a3984","kdf":"scrypt",\
            "kdfparams":{"dklen":32,"n":2,"r":8,"p":1,\
            "salt":"711f816911c92d649fb4c84b047915679933555030b3552c1212609b38208c63"},\
            "mac":"d5e116151c6aa71470e67a7d42c9620c75c4d23229847dcc127794f0732b0db5"},\
            "id":"fecfc4ce-e956-48fd-953b-30f8b52ed66c","version":3}
            """
        ),
        (
            "30 bytes", "foo", "81c29e8142bb6a81bef5a92bda7a8328a5c85bb2f9542e76f9b0f94fc018",
            """
            {"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"3ca92af36ad7c2cd92454c59cea5ef00"},\
            "ciphertext":"108b7d34f3442fc26ab1ab90ca91476ba6bfa8c00975a49ef9051dc675aa","kdf":"scrypt",\
            "kdfparams":{"dklen":32,"n":2,"r":8,"p":1,\
            "salt":"d0769e608fb86cda848065642a9c6fa046845c928175662b8e356c77f914cd3b"},\
            "mac":"75d0e6759f7b3cefa319c3be41680ab6beea7d8328653474bd06706d4cc67420"},\
            "id":"a37e1559-5955-450d-8075-7b8931b392b2","version":3}
            """
        ),
    ]
}
