// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/prctl.h>

/// prctl(2) is variadic, which Swift cannot call.
static inline int cossl_forbid_dumps(void)
{
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

static inline int cossl_add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	int done = extension && X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
	return done;
}

/// A new key (P-256) and a certificate of it that it signs itself, good from yesterday for so many days. `alternative` is its
/// subjectAltName, as `DNS:head.example.org` or `IP:10.0.0.1`; the caller has looked at it, for it is a configuration's syntax.
/// Returns the bytes of PEM, the key's first, or -1: there is no room, or OpenSSL has failed.
static inline long cossl_self_signed(const char *alternative, int days, char *pem, size_t room)
{
	long rc = -1;
	X509 *certificate = X509_new();
	BIO *out = BIO_new(BIO_s_mem());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	ASN1_INTEGER *serial = ASN1_INTEGER_new();
	uint64_t number = 0;
	char *text = NULL;
	if (!certificate || !out || !key || !serial)
		goto cleanup;
	if (RAND_bytes((unsigned char *)&number, sizeof(number)) != 1 || !ASN1_INTEGER_set_uint64(serial, number >> 1))
		goto cleanup;
	X509_NAME *name = X509_get_subject_name(certificate);
	if (!X509_set_version(certificate, 2) || !X509_set_serialNumber(certificate, serial) ||
	    !X509_gmtime_adj(X509_getm_notBefore(certificate), -86400L) ||
	    !X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) || !X509_set_pubkey(certificate, key) ||
	    !X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"slurm-grid-agent", -1, -1, 0) ||
	    !X509_set_issuer_name(certificate, name))
		goto cleanup;
	// As its own authority it is an anchor for every client, also for those that take no other.
	if (!cossl_add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE") ||
	    !cossl_add_extension(certificate, NID_subject_key_identifier, "hash") ||
	    !cossl_add_extension(certificate, NID_subject_alt_name, alternative) ||
	    !X509_sign(certificate, key, EVP_sha256()))
		goto cleanup;
	if (!PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) || !PEM_write_bio_X509(out, certificate))
		goto cleanup;
	long size = BIO_get_mem_data(out, &text);
	if (size <= 0 || (size_t)size > room)
		goto cleanup;
	memcpy(pem, text, (size_t)size);
	rc = size;
cleanup:
	ASN1_INTEGER_free(serial);
	EVP_PKEY_free(key);
	BIO_free(out);
	X509_free(certificate);
	return rc;
}
