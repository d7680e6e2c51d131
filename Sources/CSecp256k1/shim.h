// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once
#include <secp256k1.h>
#include <secp256k1_recovery.h>
