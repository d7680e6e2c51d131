/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * relay TO: a bare TCP relay. It listens on a port of this host, which it prints, and passes on what comes to port TO and back,
 * one connection at a time in each direction, by a thread each: what a proxy that looks at nothing costs at least.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in target;

struct way {
	int from, to;
};

static void *pass(void *argument)
{
	struct way way = *(struct way *)argument;
	static _Thread_local char bytes[256 << 10];

	free(argument);
	for (;;) {
		ssize_t count = recv(way.from, bytes, sizeof(bytes), 0);

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		for (ssize_t sent = 0; sent < count;) {
			ssize_t more = send(way.to, bytes + sent, count - sent, MSG_NOSIGNAL);

			if (more < 0 && errno != EINTR)
				goto end;
			if (more > 0)
				sent += more;
		}
	}
end:
	/* The other direction ends by itself, and closes nothing that is in use: this is a benchmark's. */
	shutdown(way.to, SHUT_WR);
	return NULL;
}

static int start(int from, int to)
{
	struct way *way = malloc(sizeof(*way));
	pthread_t thread;

	if (!way)
		return -1;
	*way = (struct way){from, to};
	if (pthread_create(&thread, NULL, pass, way) != 0) {
		free(way);
		return -1;
	}
	return pthread_detach(thread);
}

int main(int count, char **words)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(own);
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (count != 2) {
		fprintf(stderr, "usage: relay PORT\n");
		return 64;
	}
	target = own;
	target.sin_port = htons((uint16_t)atoi(words[1]));
	if (listener < 0 || bind(listener, (struct sockaddr *)&own, size) != 0 || listen(listener, 1024) != 0 ||
	    getsockname(listener, (struct sockaddr *)&own, &size) != 0) {
		perror("relay");
		return 1;
	}
	printf("%d\n", ntohs(own.sin_port));
	fflush(stdout);
	for (;;) {
		int front = accept(listener, NULL, NULL), back = socket(AF_INET, SOCK_STREAM, 0);

		if (front < 0 || back < 0 || connect(back, (struct sockaddr *)&target, sizeof(target)) != 0) {
			perror("relay");
			return 1;
		}
		setsockopt(front, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(back, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (start(front, back) != 0 || start(back, front) != 0)
			return 1;
	}
}
