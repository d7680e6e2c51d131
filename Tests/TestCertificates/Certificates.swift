// SPDX-License-Identifier: GPL-3.0-or-later

/// Made with openssl for a hundred years; keys of no value. The authority signed all of them. Those with a key's name are good for
/// 127.0.0.1 and localhost.
public enum Certificates {
    public static let authority = """
        -----BEGIN CERTIFICATE-----
        MIIBdzCCAR6gAwIBAgIUVYlT9vSY26G6J05BbhAMF7GVOOcwCgYIKoZIzj0EAwIw
        GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTI5MjEyMDMxWhgPMjEy
        NjExMDUyMTIwMzFaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
        zj0CAQYIKoZIzj0DAQcDQgAE+67SJkfx5QnuKQH1UBjydPyc8ULt098rGeSH2InQ
        J3/+1TZlx7lUHhv/UPN7zi2GoQYf47ZLQRxX3AmUgOaIJKNCMEAwDwYDVR0TAQH/
        BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAgQwHQYDVR0OBBYEFDX6BMwXS+uzbLWb/fto
        UbYvoGfFMAoGCCqGSM49BAMCA0cAMEQCHy9l3NG9glIs4A1bidkTwvaZrYXeXF9e
        MJ42iAmnTAcCIQC/OsIntM1/AZC6+bp1k2KOiAB/BUBG56VE5vLUykXYUg==
        -----END CERTIFICATE-----
        """

    public static let p256 = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBjjCCATWgAwIBAgIJAKPIaYSxyMzaMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMM
        DnRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyOTIxMjAzMloYDzIxMjYxMTA1MjEyMDMy
        WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AAR6P95OOlNZ1dHiY3772uJeh/7s9K+IW0sOlilppRy3m9LcrPWPiZ1hGXTzhDNn
        mFeEnpaVgXBo3CUtnNaBwjL8o2kwZzAJBgNVHRMEAjAAMBoGA1UdEQQTMBGHBH8A
        AAGCCWxvY2FsaG9zdDAdBgNVHQ4EFgQUauLS40I0soqrJZhV7xauK4Vro/0wHwYD
        VR0jBBgwFoAUNfoEzBdL67NstZv9+2hRti+gZ8UwCgYIKoZIzj0EAwIDRwAwRAIg
        S9Xwyyk47NIYFtgrsVqAy3NW1QK+dAwjQ2v7G0fc3RMCIC6Og92XlYXhbjgh1MgC
        My8Tft7fQX31p1CywpNYprSr
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCVVLMTo/woIkSyHQ
        lR7Ah5BkzOu7ioVEznlZQGtiFNGhRANCAAR6P95OOlNZ1dHiY3772uJeh/7s9K+I
        W0sOlilppRy3m9LcrPWPiZ1hGXTzhDNnmFeEnpaVgXBo3CUtnNaBwjL8
        -----END PRIVATE KEY-----
        """
    )

    public static let p384 = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBrDCCAVKgAwIBAgIJAO5V5MruiIR/MAoGCCqGSM49BAMCMBkxFzAVBgNVBAMM
        DnRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyOTIxMjAzMloYDzIxMjYxMTA1MjEyMDMy
        WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwdjAQBgcqhkjOPQIBBgUrgQQAIgNiAATO
        ONowse9KIvrCe/LnropI7oyfb6Y4tqIvOxsu8k5xgT3O9SUGJYsqtpk1qQH6fdUV
        GUUIZDMQhDixAlQEmX3q1HH/MTx61rnryYb+jcaZPWrtgLKZsEFwF+fDIpnri5yj
        aTBnMAkGA1UdEwQCMAAwGgYDVR0RBBMwEYcEfwAAAYIJbG9jYWxob3N0MB0GA1Ud
        DgQWBBSQ1GZ5rOIAFS7nZaAihLstbn05STAfBgNVHSMEGDAWgBQ1+gTMF0vrs2y1
        m/37aFG2L6BnxTAKBggqhkjOPQQDAgNIADBFAiAeNPZAFC8BbqhtLSWjzzQiIU2H
        RB/WT2u85kNYvCQGDwIhAOxRSGCRXyuTqJ1g053hfXTf8mKyF9vVI/4678waiqNO
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDC5uzUFn4+TO4eUlYFs
        0PwqQ3TKVHPN2r6rRkMB1cMeNaN26VRV32wUCEDM0efKorChZANiAATOONowse9K
        IvrCe/LnropI7oyfb6Y4tqIvOxsu8k5xgT3O9SUGJYsqtpk1qQH6fdUVGUUIZDMQ
        hDixAlQEmX3q1HH/MTx61rnryYb+jcaZPWrtgLKZsEFwF+fDIpnri5w=
        -----END PRIVATE KEY-----
        """
    )

    public static let p521 = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIB0DCCAXegAwIBAgIIXZNBTUmpCx4wCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwO
        dGVzdCBhdXRob3JpdHkwIBcNMjYxMTI5MjEyMDMyWhgPMjEyNjExMDUyMTIwMzJa
        MBQxEjAQBgNVBAMMCWxvY2FsaG9zdDCBmzAQBgcqhkjOPQIBBgUrgQQAIwOBhgAE
        AJCiR/IpgPUDAypmVL/giXHtE3hzhoEs4oU3Hgv2oUOGLlD5HU1Rc7opE7y6cnC1
        sF31fFapFII5JXgZiJRrvJzzAVzV0FFHHUZoaZrYdZoDPRBWZrXXJEzwu6g39UtA
        vFJMI2F63ByRJsk5qOiReRTTPGhj2/SgdTcJB3HPTG/ahz/Io2kwZzAJBgNVHRME
        AjAAMBoGA1UdEQQTMBGHBH8AAAGCCWxvY2FsaG9zdDAdBgNVHQ4EFgQU3Uc49lmX
        qxTc2WnNRRV/O50J7nYwHwYDVR0jBBgwFoAUNfoEzBdL67NstZv9+2hRti+gZ8Uw
        CgYIKoZIzj0EAwIDRwAwRAIgPQ5Zzl+3ObRINuNFxITkDx+xVf6WEPEJ7atNW8kk
        eeUCIGem+2A/jDF0ixY7VL5acHTVggWnIXyfVP7Fz5hDVV4D
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIARUNgqrEVjvmOiMw/
        4yj2wPPRKGOdmtplfU8mxcqLYkHKD3VXej4l+nIIV0vryBFWY16oLexFFNywjvDx
        hB3AdbGhgYkDgYYABACQokfyKYD1AwMqZlS/4Ilx7RN4c4aBLOKFNx4L9qFDhi5Q
        +R1NUXO6KRO8unJwtbBd9XxWqRSCOSV4GYiUa7yc8wFc1dBRRx1GaGma2HWaAz0Q
        Vma11yRM8LuoN/VLQLxSTCNhetwckSbJOajokXkU0zxoY9v0oHU3CQdxz0xv2oc/
        yA==
        -----END PRIVATE KEY-----
        """
    )

    public static let ed25519 = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBYDCCAQWgAwIBAgIINMbZVCO0bkkwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwO
        dGVzdCBhdXRob3JpdHkwIBcNMjYxMTI5MjEyMDMyWhgPMjEyNjExMDUyMTIwMzJa
        MBQxEjAQBgNVBAMMCWxvY2FsaG9zdDAqMAUGAytlcAMhAO+IZEsjcsslrvE2FCT4
        hntTWdmjkUZ8zV+hoTzpjx0zo2kwZzAJBgNVHRMEAjAAMBoGA1UdEQQTMBGHBH8A
        AAGCCWxvY2FsaG9zdDAdBgNVHQ4EFgQU+br1NRv2Ls6UAPQcHQFGGnV+33QwHwYD
        VR0jBBgwFoAUNfoEzBdL67NstZv9+2hRti+gZ8UwCgYIKoZIzj0EAwIDSQAwRgIh
        AOC7J5tB7M8B3KJHlkT0itJ9nB2nJsXfEWM0x6iDO7RJAiEA4dmZxDYdhqr61il8
        +QvAlD1ioKWox6TemKhm0URnSbs=
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIMsrKx0uiVBMjhsHTHED9YomJsDz+nBROQYdGmoIUHJ7
        -----END PRIVATE KEY-----
        """
    )

    public static let commonName = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBcTCCARigAwIBAgIIKUfpKouNKXAwCgYIKoZIzj0EAwIwGTEXMBUGA1UEAwwO
        dGVzdCBhdXRob3JpdHkwIBcNMjYxMTI5MjEyMDMzWhgPMjEyNjExMDUyMTIwMzNa
        MBQxEjAQBgNVBAMMCWxvY2FsaG9zdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA
        BHo/3k46U1nV0eJjfvva4l6H/uz0r4hbSw6WKWmlHLeb0tys9Y+JnWEZdPOEM2eY
        V4SelpWBcGjcJS2c1oHCMvyjTTBLMAkGA1UdEwQCMAAwHQYDVR0OBBYEFGri0uNC
        NLKKqyWYVe8WriuFa6P9MB8GA1UdIwQYMBaAFDX6BMwXS+uzbLWb/ftoUbYvoGfF
        MAoGCCqGSM49BAMCA0cAMEQCIEYKjthmaW84IMRl00yIwG8aPNBKkd/s5dC+rGc1
        nRIIAiBOcItDqo3/QzsHbs+jX0ByYEqfByRGaTHpqgyD1WMZLg==
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCVVLMTo/woIkSyHQ
        lR7Ah5BkzOu7ioVEznlZQGtiFNGhRANCAAR6P95OOlNZ1dHiY3772uJeh/7s9K+I
        W0sOlilppRy3m9LcrPWPiZ1hGXTzhDNnmFeEnpaVgXBo3CUtnNaBwjL8
        -----END PRIVATE KEY-----
        """
    )

    public static let elsewhere = (
        certificate: """
        -----BEGIN CERTIFICATE-----
        MIIBkzCCATqgAwIBAgIJAJjpBTPEJwb4MAoGCCqGSM49BAMCMBkxFzAVBgNVBAMM
        DnRlc3QgYXV0aG9yaXR5MCAXDTI2MTEyOTIxMjAzM1oYDzIxMjYxMTA1MjEyMDMz
        WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
        AAR6P95OOlNZ1dHiY3772uJeh/7s9K+IW0sOlilppRy3m9LcrPWPiZ1hGXTzhDNn
        mFeEnpaVgXBo3CUtnNaBwjL8o24wbDAJBgNVHRMEAjAAMB8GA1UdEQQYMBaCDmVs
        c2V3aGVyZS50ZXN0hwR/AAACMB0GA1UdDgQWBBRq4tLjQjSyiqslmFXvFq4rhWuj
        /TAfBgNVHSMEGDAWgBQ1+gTMF0vrs2y1m/37aFG2L6BnxTAKBggqhkjOPQQDAgNH
        ADBEAiBnImzmyQ9p2NtEvQOzPMNwAx5ThaKdLJlYuN330GcjfAIgbwZcJR1sgv61
        7RtNlf8M/hJvysFssahoJM35IPQrWLE=
        -----END CERTIFICATE-----
        """,
        key: """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCVVLMTo/woIkSyHQ
        lR7Ah5BkzOu7ioVEznlZQGtiFNGhRANCAAR6P95OOlNZ1dHiY3772uJeh/7s9K+I
        W0sOlilppRy3m9LcrPWPiZ1hGXTzhDNnmFeEnpaVgXBo3CUtnNaBwjL8
        -----END PRIVATE KEY-----
        """
    )
}
