// SPDX-License-Identifier: GPL-2.0-or-later
// The name of a node, in slurmd. SPANK does not tell it, and what slurmd keeps it in is private.
#include "spank_node.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { COMMAND_LINE_MAX = 65536 };

// slurmd's options that take a word, the same from 22.05 to 26.05; -F takes only what is written behind it.
static const char with_word[] = "dfLnN";
static const char *const long_with_word[] = {"authinfo", "ca-cert-file", "conf", "conf-server", "extra", "instance-id", "instance-type"};

static bool takes_word(const char *option)
{
    for (size_t i = 0; i < sizeof(long_with_word) / sizeof(long_with_word[0]); i++)
        if (!strcmp(option, long_with_word[i]))
            return true;
    return false;
}

static bool take(const char *text, char *name, size_t room)
{
    size_t length = strlen(text);
    bool fits = length > 0 && length < room;
    if (fits)
        memcpy(name, text, length + 1);
    else
        name[0] = '\0';
    return fits;
}

bool node_given(const char *words, size_t length, char *name, size_t room)
{
    bool found = false;
    name[0] = '\0';
    // A last word without its end was cut: what it says is not known.
    while (length > 0 && words[length - 1])
        length--;
    const char *end = words + length;
    const char *word = length > 0 ? words + strlen(words) + 1 : end;
    while (word < end) {
        const char *next = word + strlen(word) + 1;
        if (!strcmp(word, "--"))
            break;
        if (word[0] == '-' && word[1] == '-') {
            if (takes_word(word + 2) && next < end)
                next += strlen(next) + 1;
        } else if (word[0] == '-') {
            for (const char *letter = word + 1; *letter && *letter != 'F'; letter++) {
                if (!strchr(with_word, *letter))
                    continue;
                const char *value = letter[1] ? letter + 1 : next;
                if (value == next) {
                    if (next >= end)
                        break;
                    next += strlen(next) + 1;
                }
                // The last one counts.
                if (*letter == 'N')
                    found = take(value, name, room);
                break;
            }
        }
        word = next;
    }
    return found;
}

static bool read_given(char *name, size_t room)
{
    static char words[COMMAND_LINE_MAX]; // slurmd starts once
    size_t length = 0;
    int descriptor = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    for (ssize_t count = 1; descriptor >= 0 && count > 0 && length < sizeof(words); length += count > 0 ? (size_t)count : 0)
        count = read(descriptor, words + length, sizeof(words) - length);
    if (descriptor >= 0)
        close(descriptor);
    return node_given(words, length, name, room);
}

// In slurmd's own libslurmfull, and freed by it.
static bool take_and_free(char *text, char *name, size_t room)
{
    void (*give_back)(void **) = (void (*)(void **))dlsym(RTLD_DEFAULT, "slurm_xfree");
    void *block = text;
    bool found = text && take(text, name, room);
    if (text && give_back)
        give_back(&block);
    return found;
}

bool node_name(char *name, size_t room)
{
    char *(*by_host)(const char *) = (char *(*)(const char *))dlsym(RTLD_DEFAULT, "slurm_conf_get_nodename");
    char *(*by_alias)(void) = (char *(*)(void))dlsym(RTLD_DEFAULT, "slurm_conf_get_aliased_nodename");
    char host[256] = "";
    if (read_given(name, room))
        return true;
    bool known = gethostname(host, sizeof(host) - 1) == 0;
    host[strcspn(host, ".")] = '\0';
    return (known && by_host && take_and_free(by_host(host), name, room)) || (by_alias && take_and_free(by_alias(), name, room)) ||
        (known && take(host, name, room));
}
