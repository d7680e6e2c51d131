/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GNU extensions that Swift's Glibc module does not show. */
#ifndef CSLURM_PROCESS_H
#define CSLURM_PROCESS_H

/* Names the calling thread; the first 15 bytes count. */
void cs_name_thread(const char *name);

/*
 * All threads started after this allocate from one heap. With glibc's heap per thread, each thread that once loaded the
 * job list keeps the pages that the list and its Swift copy took.
 *
 * Large blocks stay out of it, and go back to the system when they are freed: left to itself glibc puts blocks of up to 32 MiB
 * into the heap once one of their size was freed, and small ones that stay keep their room from being given back.
 */
void cs_share_heap(void);

/* Gives memory that was freed back to the system: glibc keeps what a large answer of libslurm took. */
void cs_release_memory(void);

/* Whether something keeps the kernel's clock right (adjtimex(2)); -1: that may not be asked. */
int cs_clock_is_synchronised(void);

#endif
