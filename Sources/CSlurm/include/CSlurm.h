/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libslurm for Swift: the public headers, plus what they offer only as macros, and every difference between Slurm
 * 22.05, 24.11 and 26.05. No code outside this folder looks at SLURM_VERSION_NUMBER.
 */
#ifndef CSLURM_H
#define CSLURM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <slurm/slurm_version.h>
#include <slurm/slurmdb.h>

#include "cslurm_calls.h"
#include "cslurm_constants.h"
#include "cslurm_fields.h"
#include "cslurm_process.h"

#endif
