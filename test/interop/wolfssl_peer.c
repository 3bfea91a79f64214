/*
 * A peer on wolfSSL for what the commands of openssl and gnutls lack: ECDHE_PSK with AES-GCM, DTLS 1.3, Connection ID.
 * What the library was built without is said by `build`, and refused with status 3.
 *
 *   wolfssl_peer build
 *   wolfssl_peer client PORT OPTION...    sends its standard input, prints what comes
 *   wolfssl_peer server PORT OPTION...    PORT 0: any; echoes to one peer after another until it is killed
 *
 *   --version tls1.2|tls1.3|tls|dtls1.2|dtls1.3|dtls     tls, dtls: either version
 *   --suite NAME[:NAME]...               by wolfSSL's names, as `build` prints them
 *   --identity TEXT --psk HEX --hint TEXT
 *   --no-dhe                             psk_ke in 1.3; else psk_dhe_ke
 *   --group x25519|p256                  the only group; else the library's choice
 *   --cid TEXT                           the Connection ID that it wants to receive; "": none, but it sends the other's
 *   --cookie                             server of 1.3: asks everybody to come back with a cookie
 *   --connections N                      client: one after the other, each resumes the one before
 * Data is on standard output; on standard error a line of JSON for each event. Always on 127.0.0.1.
 */
#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is defined is defined as nothing: "" then, and its own name where it is not. */
#define TEXT_OF(name) #name
#define HAS(name) (*TEXT_OF(name) == 0 ? "true" : "false")

static const char *version = "tls1.2", *suite, *identity = "Client_identity", *psk = "", *hint, *noDhe, *group, *cid,
    *cookie, *connections = "1";
static const struct { const char* name; const char** value; int isFlag; } known[] = {
    { "--version", &version, 0 }, { "--suite", &suite, 0 }, { "--identity", &identity, 0 }, { "--psk", &psk, 0 },
    { "--hint", &hint, 0 }, { "--no-dhe", &noDhe, 1 }, { "--group", &group, 0 }, { "--cid", &cid, 0 },
    { "--cookie", &cookie, 1 }, { "--connections", &connections, 0 },
};
static int server, port, datagram;
static WOLFSSL_SESSION* session;

static void fail(int status, const char* what) {
    fprintf(stderr, "{\"event\":\"error\",\"what\":\"%s\"}\n", what);
    exit(status);
}

static void printHex(const char* name, const unsigned char* bytes, unsigned int length) {
    fprintf(stderr, ",\"%s\":\"", name);
    for (unsigned int i = 0; i < length; i++) fprintf(stderr, "%02x", bytes[i]);
    fputc('"', stderr);
}

/* wolfSSL's callbacks: the key's length in bytes, 0 for none. */
static unsigned int clientPsk(WOLFSSL* ssl, const char* theirs, char* id, unsigned int idMost, unsigned char* key,
                              unsigned int most) {
    unsigned int length = 0;
    (void)ssl, (void)theirs;
    if (id) snprintf(id, idMost, "%s", identity);
    for (const char* hex = psk; length < most && sscanf(hex, "%2hhx", &key[length]) == 1; hex += 2) length++;
    return length;
}
static unsigned int serverPsk(WOLFSSL* ssl, const char* id, unsigned char* key, unsigned int most) {
    return strcmp(id, identity) ? 0 : clientPsk(ssl, NULL, NULL, 0, key, most);
}

/* In 1.3 a key belongs to one hash, which wolfSSL takes from the name of a suite: the first of --suite. */
static const char* suiteOfKey(void) {
    static char first[64] = "TLS13-AES128-GCM-SHA256";
    if (suite) snprintf(first, sizeof first, "%.*s", (int)strcspn(suite, ":"), suite);
    return first;
}
static unsigned int clientPsk13(WOLFSSL* ssl, const char* theirs, char* id, unsigned int idMost, unsigned char* key,
                                unsigned int most, const char** of) {
    *of = suiteOfKey();
    return clientPsk(ssl, theirs, id, idMost, key, most);
}
static unsigned int serverPsk13(WOLFSSL* ssl, const char* id, unsigned char* key, unsigned int most, const char** of) {
    *of = suiteOfKey();
    return serverPsk(ssl, id, key, most);
}

static WOLFSSL_METHOD* method(void) {
    if (!strcmp(version, "tls1.2")) return server ? wolfTLSv1_2_server_method() : wolfTLSv1_2_client_method();
    if (!strcmp(version, "tls1.3")) return server ? wolfTLSv1_3_server_method() : wolfTLSv1_3_client_method();
    if (!strcmp(version, "tls")) return server ? wolfSSLv23_server_method() : wolfSSLv23_client_method();
    if (!strcmp(version, "dtls1.2")) return server ? wolfDTLSv1_2_server_method() : wolfDTLSv1_2_client_method();
#ifdef WOLFSSL_DTLS13
    if (!strcmp(version, "dtls1.3")) return server ? wolfDTLSv1_3_server_method() : wolfDTLSv1_3_client_method();
    if (!strcmp(version, "dtls")) return server ? wolfDTLS_server_method() : wolfDTLS_client_method();
#endif
    return fail(3, "this build lacks the version"), NULL;
}

static WOLFSSL_CTX* context(void) {
    WOLFSSL_CTX* ctx = wolfSSL_CTX_new(method());
    int id = group && !strcmp(group, "p256") ? WOLFSSL_ECC_SECP256R1 : WOLFSSL_ECC_X25519;
    if (suite && wolfSSL_CTX_set_cipher_list(ctx, suite) != WOLFSSL_SUCCESS) fail(3, "this build lacks the suite");
    wolfSSL_CTX_set_psk_server_callback(ctx, serverPsk);
    wolfSSL_CTX_set_psk_server_tls13_callback(ctx, serverPsk13);
    wolfSSL_CTX_set_psk_client_callback(ctx, clientPsk);
    wolfSSL_CTX_set_psk_client_tls13_callback(ctx, clientPsk13);
    if (hint) wolfSSL_CTX_use_psk_identity_hint(ctx, hint);
    if (noDhe) wolfSSL_CTX_no_dhe_psk(ctx);
    if (group) wolfSSL_CTX_set_groups(ctx, &id, 1), wolfSSL_CTX_UseSupportedCurve(ctx, (unsigned short)id);
    return ctx;
}

static WOLFSSL* createSession(WOLFSSL_CTX* ctx, int fd) {
    WOLFSSL* ssl = wolfSSL_new(ctx);
    wolfSSL_set_fd(ssl, fd);
    wolfSSL_KeepArrays(ssl); /* for the exporter */
    if (cookie) wolfSSL_send_hrr_cookie(ssl, NULL, 0);
    if (!server && atoi(connections) > 1) wolfSSL_UseSessionTicket(ssl);
    if (session) wolfSSL_set_session(ssl, session);
    if (!cid) return ssl;
#ifdef WOLFSSL_DTLS_CID
    if (wolfSSL_dtls_cid_use(ssl) != WOLFSSL_SUCCESS) fail(3, "no Connection ID in this version");
    if (*cid) wolfSSL_dtls_cid_set(ssl, (unsigned char*)cid, (unsigned int)strlen(cid));
#else
    fail(3, "this build lacks Connection ID");
#endif
    return ssl;
}

/* One line: what was agreed. */
static void report(WOLFSSL* ssl) {
    const char label[] = "EXPERIMENTAL seccf";
    unsigned char bytes[256];
    fprintf(stderr, "{\"event\":\"connected\",\"version\":\"%s\",\"suite\":\"%04x\",\"resumed\":%s",
            wolfSSL_get_version(ssl), (unsigned int)wolfSSL_get_current_cipher_suite(ssl),
            wolfSSL_session_reused(ssl) ? "true" : "false");
    if (wolfSSL_export_keying_material(ssl, bytes, 16, label, strlen(label), NULL, 0, 0) > 0) {
        printHex("exporter", bytes, 16);
    }
#ifdef WOLFSSL_DTLS_CID
    unsigned int length = 0;
    int isUsed = cid && wolfSSL_dtls_cid_is_enabled(ssl);
    if (isUsed && wolfSSL_dtls_cid_get_rx_size(ssl, &length) > 0 && wolfSSL_dtls_cid_get_rx(ssl, bytes, 256) > 0) {
        printHex("cidIn", bytes, length);
    }
    if (isUsed && wolfSSL_dtls_cid_get_tx_size(ssl, &length) > 0 && wolfSSL_dtls_cid_get_tx(ssl, bytes, 256) > 0) {
        printHex("cidOut", bytes, length);
    }
#endif
    fprintf(stderr, "}\n");
}

/* Prints or echoes all there is to read; 0 when the other side has ended. */
static int drain(WOLFSSL* ssl) {
    unsigned char bytes[16384];
    for (;;) {
        int length = wolfSSL_read(ssl, bytes, sizeof bytes);
        if (length <= 0) return wolfSSL_get_error(ssl, length) == WOLFSSL_ERROR_WANT_READ;
        if (server ? wolfSSL_write(ssl, bytes, length) <= 0 : write(1, bytes, (size_t)length) < 0) return 0;
    }
}

static void exchange(WOLFSSL* ssl, int fd) {
    unsigned char bytes[1024];
    struct pollfd fds[] = { { .fd = fd, .events = POLLIN }, { .fd = server ? -1 : 0, .events = POLLIN } };
    fcntl(fd, F_SETFL, O_NONBLOCK);
    wolfSSL_set_using_nonblock(ssl, 1);
    while (drain(ssl)) {
        int ready = poll(fds, 2, datagram ? 1000 * wolfSSL_dtls_get_current_timeout(ssl) : -1);
        /* In 1.3 a ticket is sent again until it is acknowledged. */
        if (ready == 0 && !strcmp(wolfSSL_get_version(ssl), "DTLSv1.3")) wolfSSL_dtls_got_timeout(ssl);
        if (ready <= 0 || !fds[1].revents) continue;
        ssize_t length = read(0, bytes, sizeof bytes);
        if (length <= 0 || wolfSSL_write(ssl, bytes, (int)length) <= 0) break;
    }
    if (!server && atoi(connections) > 1) session = wolfSSL_get1_session(ssl);
    wolfSSL_shutdown(ssl);
    fprintf(stderr, "{\"event\":\"closed\"}\n");
}

/* A handshake and what follows; 0 where it failed. */
static int speak(WOLFSSL_CTX* ctx, int fd) {
    char reason[WOLFSSL_MAX_ERROR_SZ];
    WOLFSSL* ssl = createSession(ctx, fd);
    int result = server ? wolfSSL_accept(ssl) : wolfSSL_connect(ssl);
    if (result == WOLFSSL_SUCCESS) {
        report(ssl);
        exchange(ssl, fd);
    } else {
        wolfSSL_ERR_error_string((unsigned long)wolfSSL_get_error(ssl, result), reason);
        fprintf(stderr, "{\"event\":\"failed\",\"what\":\"%s\"}\n", reason);
    }
    wolfSSL_free(ssl);
    close(fd);
    return result == WOLFSSL_SUCCESS;
}

static int openSocket(void) {
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    int one = 1, fd = socket(AF_INET, datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
    at.sin_port = htons((unsigned short)port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if ((server ? bind : connect)(fd, (struct sockaddr*)&at, size) != 0) fail(1, "no such port");
    if (server && !datagram) listen(fd, 8);
    if (server && getsockname(fd, (struct sockaddr*)&at, &size) == 0) port = ntohs(at.sin_port);
    return fd;
}

/* On datagrams the socket that has the first one is connected to where it came from; another waits for the next peer. */
static void serve(WOLFSSL_CTX* ctx) {
    struct sockaddr_in from;
    int fd = openSocket();
    fprintf(stderr, "{\"event\":\"listening\",\"port\":%d}\n", port);
    for (int next, peer;; fd = next) {
        socklen_t size = sizeof from;
        char byte;
        if (datagram) recvfrom(peer = fd, &byte, 1, MSG_PEEK, (struct sockaddr*)&from, &size);
        else peer = accept(fd, NULL, NULL);
        if (datagram) connect(fd, (struct sockaddr*)&from, size);
        next = datagram ? openSocket() : fd;
        speak(ctx, peer);
    }
}

static void build(void) {
    char names[8192];
    wolfSSL_get_ciphers(names, sizeof names);
    printf("{\"library\":\"%s\",\"dtls13\":%s,\"cid\":%s,\"suites\":\"%s\"}\n", wolfSSL_lib_version(),
           HAS(WOLFSSL_DTLS13), HAS(WOLFSSL_DTLS_CID), names);
}

int main(int count, char** words) {
    if (count == 2 && !strcmp(words[1], "build")) return build(), 0;
    if (count < 3) fail(2, "build, client PORT or server PORT");
    server = !strcmp(words[1], "server");
    port = atoi(words[2]);
    for (int i = 3; i < count; i++) {
        size_t k = 0, most = sizeof known / sizeof *known;
        while (k < most && strcmp(words[i], known[k].name)) k++;
        if (k == most || (!known[k].isFlag && i + 1 == count)) fail(2, words[i]);
        *known[k].value = known[k].isFlag ? words[i] : words[++i];
    }
    datagram = version[0] == 'd';
    signal(SIGPIPE, SIG_IGN);
    wolfSSL_Init();
    WOLFSSL_CTX* ctx = context();
    if (server) serve(ctx);
    int left = atoi(connections);
    while (left > 0 && speak(ctx, openSocket())) left--;
    return left == 0 ? 0 : 1;
}
