/* The lab guest's only program: writes self-describing records so that a disk image can be
 * judged from its own content.  tests/lab/checker.py has the other half of this layout.
 *
 * Each disk:  0         header block
 *             8 KiB     anchor block
 *             1 MiB     ring: RING_SLOTS slots of 4 KiB
 *             64 MiB    load area, to the end of the disk
 *
 * Record n lies on disk n % 2, slot (n / 2) % RING_SLOTS, and is written only after record n-1
 * was flushed.  A record carries load_done: all load blocks below it were flushed before the
 * record was made.  The anchor is rewritten, and flushed, before each record whose number is
 * disk (mod 16): a block that is always old when an older write came after a newer one, which
 * the ring alone would show as an older, but true, point in time.  So whatever order the storage below us keeps or breaks is visible.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/input.h>
#include <linux/rtc.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum {
    BLOCK = 4096,
    DISKS = 2,
    RING_SLOTS = 2048,
    ANCHOR_EVERY = 16,
    BATCH_BLOCKS = 256, /* load is written in batches of 1 MiB, alternating over the disks */
};
#define ANCHOR_OFFSET (2LL * BLOCK)
#define RING_OFFSET (1LL << 20)
#define LOAD_OFFSET (64LL << 20)
#define BATCH_BYTES ((int64_t)BATCH_BLOCKS * BLOCK)

#define HEADER_MAGIC 0x31524448424c4d56ULL /* "VMLBHDR1" */
#define RECORD_MAGIC 0x31434552424c4d56ULL /* "VMLBREC1" */
#define ANCHOR_MAGIC 0x31434e41424c4d56ULL /* "VMLBANC1" */
#define LOAD_MAGIC 0x31444f4c424c4d56ULL   /* "VMLBLOD1" */

struct header {
    uint64_t magic;
    uint8_t run[16];
    uint32_t disk, disks;
    uint64_t ring_offset, ring_slots, load_offset, load_batches;
    uint8_t pad[BLOCK - 8 - 16 - 8 - 32 - 4];
    uint32_t crc;
} __attribute__((packed));

struct record {
    uint64_t magic;
    uint8_t run[16];
    uint64_t seq;
    uint32_t disk, slot;
    uint64_t monotonic_ns, realtime_ns;
    int64_t rtc_s;      /* follows the host's clock even while the vCPUs are paused */
    uint32_t boots;     /* how often this run was continued after a restart */
    uint32_t max_gap_ms;
    uint64_t load_done, load_floor;
    uint8_t filler[BLOCK - 8 - 16 - 8 - 8 - 16 - 8 - 8 - 16 - 4];
    uint32_t crc;
} __attribute__((packed));

struct anchor {
    uint64_t magic;
    uint8_t run[16];
    uint64_t seq;
    uint8_t filler[BLOCK - 8 - 16 - 8 - 4];
    uint32_t crc;
} __attribute__((packed));

struct load {
    uint64_t magic;
    uint8_t run[16];
    uint64_t number;
    uint32_t disk, pad;
    uint64_t offset;
    uint8_t filler[BLOCK - 8 - 16 - 8 - 8 - 8 - 4];
    uint32_t crc;
} __attribute__((packed));

_Static_assert(sizeof(struct header) == BLOCK, "header");
_Static_assert(sizeof(struct record) == BLOCK, "record");
_Static_assert(sizeof(struct anchor) == BLOCK, "anchor");
_Static_assert(sizeof(struct load) == BLOCK, "load");

static struct {
    pthread_mutex_t lock;
    int fd[DISKS];
    int rtc;
    int64_t size;
    uint64_t batches; /* per disk */
    uint8_t run[16];
    uint64_t seq;     /* newest flushed record */
    uint32_t boots;
    double rate;      /* records a second */
    bool stopped, ending;
    uint64_t load_next, load_done, load_floor;
    int64_t load_rate; /* bytes a second, continuous */
    int64_t load_left; /* bytes still to write at full speed */
    int compressible;  /* per cent of a load block that is zero bytes */
    uint32_t max_gap_ms;
    int64_t last_ns, last_rtc;
    int64_t max_flush_us;
    int error;
} g = {.lock = PTHREAD_MUTEX_INITIALIZER, .rate = 20};

static uint32_t crc_table[256];

static void crc_init(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) {
            c = c & 1 ? 0xedb88320u ^ (c >> 1) : c >> 1;
        }
        crc_table[i] = c;
    }
}

static uint32_t crc32_of(const void *data, size_t length)
{
    const uint8_t *p = data;
    uint32_t c = 0xffffffffu;

    while (length--) {
        c = crc_table[(c ^ *p++) & 0xff] ^ (c >> 8);
    }
    return c ^ 0xffffffffu;
}

static uint32_t block_crc(const void *block)
{
    return crc32_of(block, BLOCK - 4);
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t rtc_seconds(void)
{
    struct rtc_time rtc;
    struct tm tm = {0};

    if (g.rtc < 0 || ioctl(g.rtc, RTC_RD_TIME, &rtc) < 0) {
        return -1;
    }
    tm.tm_sec = rtc.tm_sec, tm.tm_min = rtc.tm_min, tm.tm_hour = rtc.tm_hour;
    tm.tm_mday = rtc.tm_mday, tm.tm_mon = rtc.tm_mon, tm.tm_year = rtc.tm_year;
    return timegm(&tm);
}

/* Fast and incompressible enough (xorshift64*). */
static void random_fill(uint8_t *out, size_t length)
{
    static __thread uint64_t state;

    if (state == 0) {
        (void)!getrandom(&state, sizeof(state), 0);
        state |= 1;
    }
    for (size_t i = 0; i + 8 <= length; i += 8) {
        state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
        uint64_t value = state * 0x2545f4914f6cdd1dULL;
        memcpy(out + i, &value, 8);
    }
}

static void fail(const char *what)
{
    g.error = errno;
    fprintf(stderr, "writer: %s: %s\n", what, strerror(errno));
}

/* Write LENGTH bytes, block aligned, retrying for ever: the guest of an ill disk waits, as a
 * file system that does not give up would. */
static void write_all(int disk, const void *data, size_t length, int64_t offset)
{
    const uint8_t *p = data;

    while (length > 0) {
        ssize_t done = pwrite(g.fd[disk], p, length, offset);
        if (done <= 0) {
            fail("write");
            sleep(1);
            continue;
        }
        p += done, length -= (size_t)done, offset += done;
    }
}

static void flush(int disk)
{
    int64_t start = clock_ns(CLOCK_MONOTONIC), took;

    while (fdatasync(g.fd[disk]) < 0) {
        fail("flush");
        sleep(1);
    }
    took = (clock_ns(CLOCK_MONOTONIC) - start) / 1000;
    if (took > g.max_flush_us) {
        g.max_flush_us = took;
    }
}

static void *aligned(size_t length)
{
    void *p = NULL;

    if (posix_memalign(&p, BLOCK, length) != 0) {
        abort();
    }
    memset(p, 0, length);
    return p;
}

/* ---- ring -------------------------------------------------------------------------------- */

static int64_t slot_offset(uint64_t seq)
{
    return RING_OFFSET + (int64_t)(seq / DISKS % RING_SLOTS) * BLOCK;
}

/* The gap since the record before, by the clock that shows it: a paused VM's monotonic clock
 * stands still, its RTC does not.  The RTC counts whole seconds, so one is taken off. */
static void note_gap(int64_t now_ns, int64_t rtc)
{
    int64_t gap = 0, by_rtc = 0;

    if (g.last_ns != 0) {
        gap = (now_ns - g.last_ns) / 1000000;
        by_rtc = rtc >= 0 && g.last_rtc >= 0 ? (rtc - g.last_rtc - 1) * 1000 : 0;
    }
    gap = by_rtc > gap ? by_rtc : gap;
    if (gap > g.max_gap_ms) {
        g.max_gap_ms = (uint32_t)gap;
    }
    g.last_ns = now_ns, g.last_rtc = rtc;
}

static void write_anchor(int disk, uint64_t seq)
{
    static struct anchor *block;

    if (block == NULL) {
        block = aligned(BLOCK);
    }
    block->magic = ANCHOR_MAGIC;
    memcpy(block->run, g.run, sizeof(block->run));
    block->seq = seq;
    random_fill(block->filler, 64);
    block->crc = block_crc(block);
    write_all(disk, block, BLOCK, ANCHOR_OFFSET);
    flush(disk);
}

static void write_record(struct record *rec)
{
    uint64_t seq = g.seq + 1;
    int disk = (int)(seq % DISKS);

    if (seq % ANCHOR_EVERY == (uint64_t)disk) {
        write_anchor(disk, seq);
    }
    rec->magic = RECORD_MAGIC;
    rec->seq = seq;
    rec->disk = (uint32_t)disk;
    rec->slot = (uint32_t)(seq / DISKS % RING_SLOTS);
    rec->rtc_s = rtc_seconds();
    rec->monotonic_ns = (uint64_t)clock_ns(CLOCK_MONOTONIC);
    rec->realtime_ns = (uint64_t)clock_ns(CLOCK_REALTIME);
    memcpy(rec->run, g.run, sizeof(rec->run));
    pthread_mutex_lock(&g.lock);
    note_gap((int64_t)rec->monotonic_ns, rec->rtc_s);
    rec->boots = g.boots;
    rec->max_gap_ms = g.max_gap_ms;
    rec->load_done = g.load_done;
    rec->load_floor = g.load_floor;
    pthread_mutex_unlock(&g.lock);
    random_fill(rec->filler, 64);
    rec->crc = block_crc(rec);
    write_all(disk, rec, BLOCK, slot_offset(seq));
    flush(disk);
    g.seq = seq;
}

static void sleep_until(int64_t when_ns)
{
    struct timespec t = {when_ns / 1000000000LL, when_ns % 1000000000LL};

    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static void *ring_main(void *unused)
{
    struct record *rec = aligned(BLOCK);
    int64_t due = clock_ns(CLOCK_MONOTONIC), now;

    (void)unused;
    while (!g.ending) {
        if (g.stopped) {
            g.last_ns = 0; /* a gap on request is none */
            usleep(20000);
            due = clock_ns(CLOCK_MONOTONIC);
            continue;
        }
        write_record(rec);
        due += (int64_t)(1e9 / g.rate);
        now = clock_ns(CLOCK_MONOTONIC);
        if (due < now) {
            due = now; /* no catching up */
        }
        sleep_until(due);
    }
    return NULL;
}

/* ---- load -------------------------------------------------------------------------------- */

static void make_load(struct load *block, uint64_t number, int disk, int64_t offset)
{
    size_t random_bytes = sizeof(block->filler) * (size_t)(100 - g.compressible) / 100;

    memset(block, 0, BLOCK);
    block->magic = LOAD_MAGIC;
    memcpy(block->run, g.run, sizeof(block->run));
    block->number = number;
    block->disk = (uint32_t)disk;
    block->offset = (uint64_t)offset;
    random_fill(block->filler, random_bytes);
    block->crc = block_crc(block);
}

/* Batch b = blocks b*256...: disk b % 2, place b / 2 % batches. */
static void write_batch(struct load *batch)
{
    uint64_t first = g.load_next, number = first / BATCH_BLOCKS;
    int disk = (int)(number % DISKS);
    int64_t offset = LOAD_OFFSET + (int64_t)(number / DISKS % g.batches) * BATCH_BYTES;

    for (int i = 0; i < BATCH_BLOCKS; i++) {
        make_load(&batch[i], first + (uint64_t)i, disk, offset + (int64_t)i * BLOCK);
    }
    for (int i = 0; i < BATCH_BLOCKS; i += 64) {
        write_all(disk, &batch[i], 64 * BLOCK, offset + (int64_t)i * BLOCK);
    }
    flush(disk);
    pthread_mutex_lock(&g.lock);
    g.load_next = first + BATCH_BLOCKS;
    g.load_done = g.load_next;
    pthread_mutex_unlock(&g.lock);
}

static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;

static void *load_main(void *unused)
{
    struct load *batch = aligned(sizeof(struct load) * BATCH_BLOCKS);
    int64_t due = 0, now;

    (void)unused;
    while (!g.ending) {
        now = clock_ns(CLOCK_MONOTONIC);
        if (g.stopped || (g.load_left <= 0 && (g.load_rate <= 0 || now < due))) {
            usleep(10000);
            continue;
        }
        pthread_mutex_lock(&load_lock);
        write_batch(batch);
        pthread_mutex_unlock(&load_lock);
        if (g.load_left > 0) {
            g.load_left -= BATCH_BYTES;
        } else {
            due = (due < now - 1000000000LL ? now : due)
                  + BATCH_BYTES * 1000 / (g.load_rate / 1000 + 1) * 1000;
        }
    }
    return NULL;
}

/* ---- format or continue -------------------------------------------------------------------- */

static bool read_block(int disk, int64_t offset, void *block)
{
    uint32_t crc;

    if (pread(g.fd[disk], block, BLOCK, offset) != BLOCK) {
        return false;
    }
    memcpy(&crc, (uint8_t *)block + BLOCK - 4, 4);
    return crc == block_crc(block);
}

static void find_newest(void)
{
    struct record *rec = aligned(BLOCK);

    for (int disk = 0; disk < DISKS; disk++) {
        for (int64_t slot = 0; slot < RING_SLOTS; slot++) {
            if (read_block(disk, RING_OFFSET + slot * BLOCK, rec) && rec->magic == RECORD_MAGIC
                && memcmp(rec->run, g.run, 16) == 0 && rec->seq > g.seq) {
                g.seq = rec->seq;
                g.boots = rec->boots + 1;
                g.load_done = rec->load_done;
            }
        }
    }
    /* Blocks written but not yet recorded may lie above load_done: nothing is expected of the
     * round that was interrupted, the next block goes to the same place a round later. */
    g.load_next = (g.load_done / BATCH_BLOCKS + g.batches * DISKS) * BATCH_BLOCKS;
    g.load_floor = g.load_done = g.load_next;
    free(rec);
}

static void format(void)
{
    struct header *h = aligned(BLOCK);

    (void)!getrandom(g.run, sizeof(g.run), 0);
    for (int disk = 0; disk < DISKS; disk++) {
        h->magic = HEADER_MAGIC;
        memcpy(h->run, g.run, sizeof(h->run));
        h->disk = (uint32_t)disk, h->disks = DISKS;
        h->ring_offset = RING_OFFSET, h->ring_slots = RING_SLOTS;
        h->load_offset = LOAD_OFFSET, h->load_batches = g.batches;
        h->crc = block_crc(h);
        write_all(disk, h, BLOCK, 0);
        flush(disk);
    }
    free(h);
}

static void open_disks(void)
{
    static const char *const paths[DISKS] = {"/dev/vda", "/dev/vdb"};
    struct header *h = aligned(BLOCK);

    for (int disk = 0; disk < DISKS; disk++) {
        uint64_t size = 0;
        g.fd[disk] = open(paths[disk], O_RDWR | O_DIRECT | O_CLOEXEC);
        if (g.fd[disk] < 0 || ioctl(g.fd[disk], BLKGETSIZE64, &size) < 0) {
            fail(paths[disk]);
            sleep(5);
            reboot(RB_POWER_OFF);
        }
        if (g.size == 0 || (int64_t)size < g.size) {
            g.size = (int64_t)size;
        }
    }
    g.batches = g.size > LOAD_OFFSET ? (uint64_t)((g.size - LOAD_OFFSET) / BATCH_BYTES) : 1;
    if (read_block(0, 0, h) && h->magic == HEADER_MAGIC) {
        memcpy(g.run, h->run, sizeof(g.run));
        g.batches = h->load_batches; /* as formatted, though the disk may have grown */
        find_newest();
    } else {
        format();
    }
    free(h);
}

/* ---- commands ------------------------------------------------------------------------------ */

static char tag[24]; /* `#word` before a command: repeated before its answer */

static void say(int fd, const char *format_, ...) __attribute__((format(printf, 2, 3)));

static void say(int fd, const char *format_, ...)
{
    char line[512];
    va_list args;
    int length = snprintf(line, sizeof(line), "%s", tag);

    va_start(args, format_);
    length += vsnprintf(line + length, sizeof(line) - (size_t)length - 1, format_, args);
    va_end(args);
    line[length++] = '\n';
    (void)!write(fd, line, (size_t)length);
}

static void show_status(int fd)
{
    char run[33];

    for (int i = 0; i < 16; i++) {
        sprintf(run + 2 * i, "%02x", g.run[i]);
    }
    say(fd, "ok run=%s seq=%llu boots=%u rate=%g stopped=%d load_rate=%lld load_left=%lld "
            "load_done=%llu compressible=%d max_gap_ms=%u max_flush_ms=%lld error=%d uptime_s=%lld",
        run, (unsigned long long)g.seq, g.boots, g.rate, g.stopped, (long long)g.load_rate,
        (long long)g.load_left, (unsigned long long)g.load_done, g.compressible, g.max_gap_ms,
        (long long)(g.max_flush_us / 1000), g.error,
        (long long)(clock_ns(CLOCK_MONOTONIC) / 1000000000LL));
}

/* Nothing written so far is expected to be found any more: have that on disk before it is so. */
static void raise_floor(void)
{
    uint64_t seq;

    pthread_mutex_lock(&g.lock);
    g.load_floor = g.load_next;
    pthread_mutex_unlock(&g.lock);
    seq = g.seq;
    while (g.seq < seq + 2 && !g.ending) {
        usleep(5000);
    }
}

/* BLKDISCARD or BLKZEROOUT over part of the load area. */
static int erase(unsigned long request, int disk, int64_t offset, int64_t length)
{
    uint64_t range[2] = {(uint64_t)offset, (uint64_t)length};
    int result;

    if (disk < 0 || disk >= DISKS || offset < LOAD_OFFSET || length <= 0 || offset % BLOCK
        || length % BLOCK || g.stopped) {
        errno = EINVAL;
        return -1;
    }
    pthread_mutex_lock(&load_lock);
    raise_floor();
    result = ioctl(g.fd[disk], request, range);
    flush(disk);
    pthread_mutex_unlock(&load_lock);
    return result;
}

static void wait_load(int fd)
{
    while (g.load_left > 0) {
        usleep(20000);
    }
    say(fd, "ok load_done=%llu", (unsigned long long)g.load_done);
}

static void answer(int fd, char *line)
{
    char word[16] = "";
    long long a = 0, b = 0, c = 0;
    int count;

    tag[0] = '\0';
    if (line[0] == '#' && sscanf(line, "%20s", tag) == 1) {
        line += strlen(tag);
        strcat(tag, " ");
    }
    count = sscanf(line, "%15s %lld %lld %lld", word, &a, &b, &c);
    if (strcmp(word, "status") == 0) {
        show_status(fd);
        return;
    } else if (strcmp(word, "load") == 0 && count >= 2) {
        g.load_rate = a;
        g.compressible = count >= 3 ? (int)(b < 0 ? 0 : b > 100 ? 100 : b) : 0;
    } else if (strcmp(word, "fill") == 0 && count >= 2) {
        g.compressible = count >= 3 ? (int)(b < 0 ? 0 : b > 100 ? 100 : b) : 0;
        g.load_left = a << 20;
        wait_load(fd);
        return;
    } else if (strcmp(word, "rate") == 0 && count >= 2 && a > 0) {
        g.rate = (double)a;
    } else if ((strcmp(word, "discard") == 0 || strcmp(word, "zero") == 0) && count == 4) {
        if (erase(word[0] == 'd' ? BLKDISCARD : BLKZEROOUT, (int)a, b, c) < 0) {
            say(fd, "error %s: %s", word, strerror(errno));
            return;
        }
    } else if (strcmp(word, "sync") == 0) {
        flush(0);
        flush(1);
    } else if (strcmp(word, "stop") == 0) {
        g.stopped = true;
        usleep(200000);
    } else if (strcmp(word, "go") == 0) {
        g.stopped = false;
    } else if (strcmp(word, "gap-reset") == 0) {
        pthread_mutex_lock(&g.lock);
        g.max_gap_ms = 0;
        g.max_flush_us = 0;
        pthread_mutex_unlock(&g.lock);
    } else {
        say(fd, "error commands: status | load BYTES_PER_S [COMPRESSIBLE%%] | fill MIB "
                "[COMPRESSIBLE%%] | rate N | discard DISK OFFSET LENGTH | zero DISK OFFSET LENGTH "
                "| sync | stop | go | gap-reset");
        return;
    }
    say(fd, "ok seq=%llu", (unsigned long long)g.seq);
}

static void *command_main(void *path)
{
    int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios tio;
    char line[128];
    size_t length = 0;

    if (fd < 0) {
        fail(path);
        return NULL;
    }
    if (tcgetattr(fd, &tio) == 0) {
        cfmakeraw(&tio);
        cfsetspeed(&tio, B115200);
        tcsetattr(fd, TCSANOW, &tio);
    }
    for (;;) {
        char c;
        if (read(fd, &c, 1) != 1) {
            usleep(100000);
        } else if (c != '\n') {
            length = length < sizeof(line) - 1 ? length : 0;
            line[length++] = c;
        } else if (length > 0) {
            line[length] = '\0';
            length = 0;
            answer(fd, line);
        }
    }
}

/* ---- power --------------------------------------------------------------------------------- */

static void power_off(void)
{
    g.ending = true;
    usleep(300000);
    flush(0);
    flush(1);
    fprintf(stderr, "writer: power button: %llu records, powering off\n",
            (unsigned long long)g.seq);
    sync();
    reboot(RB_POWER_OFF);
}

static void *power_main(void *unused)
{
    struct pollfd fds[8];
    struct input_event event;
    nfds_t count = 0;
    char path[32];

    (void)unused;
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "/dev/input/event%d", i);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            fds[count].fd = fd;
            fds[count++].events = POLLIN;
        }
    }
    while (count > 0 && poll(fds, count, -1) > 0) {
        for (nfds_t i = 0; i < count; i++) {
            if ((fds[i].revents & POLLIN) && read(fds[i].fd, &event, sizeof(event)) > 0
                && event.type == EV_KEY && event.code == KEY_POWER && event.value == 1) {
                power_off();
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t ring, load, command, power;

    if (argc > 1 && atof(argv[1]) > 0) {
        g.rate = atof(argv[1]);
    }
    crc_init();
    g.rtc = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
    open_disks();
    fprintf(stderr, "writer: starts after record %llu\n", (unsigned long long)g.seq);
    pthread_create(&ring, NULL, ring_main, NULL);
    pthread_create(&load, NULL, load_main, NULL);
    pthread_create(&command, NULL, command_main, argc > 2 ? argv[2] : "/dev/ttyS1");
    pthread_create(&power, NULL, power_main, NULL);
    pthread_join(ring, NULL);
    pause();
    return 0;
}
