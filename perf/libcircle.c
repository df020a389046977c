// Runs units that only sleep over libcircle (work stealing, github.com/hpc/libcircle) and prints what dispatch.cpp prints:
// libcircle DURATIONS, a file of float64 seconds, one a unit. Every rank works; rank 0 has all the units at the beginning, as
// libcircle wants it. Timed from there to the end on all ranks. Compiled by perf/dispatch.py beside libcircle's own sources.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "libcircle.h"

static double* seconds;
static long units;
static long done;

static void enqueue_all(CIRCLE_handle* handle) {
    char text[CIRCLE_MAX_STRING_LEN];
    for (long unit = units - 1; unit >= 0; --unit) {
        snprintf(text, sizeof text, "%ld", unit);
        handle->enqueue(text);
    }
}

static void sleep_one(CIRCLE_handle* handle) {
    char text[CIRCLE_MAX_STRING_LEN];
    handle->dequeue(text);
    double const nap_s = seconds[atol(text)];
    struct timespec const nap = {(time_t)nap_s, (long)((nap_s - (double)(time_t)nap_s) * 1e9)};
    nanosleep(&nap, NULL);
    ++done;
}

static void fail(char const* message) {
    fprintf(stderr, "libcircle: %s\n", message);
    MPI_Abort(MPI_COMM_WORLD, 2);
}

static void read_durations(char const* file) {
    FILE* in = fopen(file, "rb");
    if (!in || fseek(in, 0, SEEK_END) != 0) fail("the file of durations can't be read");
    units = ftell(in) / (long)sizeof(double);
    rewind(in);
    seconds = malloc((size_t)units * sizeof(double));
    if (units <= 0 || !seconds || fread(seconds, sizeof(double), (size_t)units, in) != (size_t)units)
        fail("the file of durations can't be read");
    fclose(in);
}

int main(int argc, char** argv) {
    int const rank = CIRCLE_init(argc, argv, CIRCLE_SPLIT_EQUAL | CIRCLE_TERM_TREE);
    CIRCLE_enable_logging(CIRCLE_LOG_ERR);
    if (argc != 2) fail("usage: libcircle DURATIONS");
    read_durations(argv[1]);
    CIRCLE_cb_create(enqueue_all);
    CIRCLE_cb_process(sleep_one);
    MPI_Barrier(MPI_COMM_WORLD);
    double const begin_s = MPI_Wtime();
    CIRCLE_begin();
    MPI_Barrier(MPI_COMM_WORLD);
    double const makespan_s = MPI_Wtime() - begin_s;
    long all = 0;
    MPI_Reduce(&done, &all, 1, MPI_LONG, MPI_SUM, 0, MPI_COMM_WORLD);
    if (rank == 0) printf("{\"makespan_s\": %.6f, \"done\": %ld}\n", makespan_s, all);
    free(seconds);
    CIRCLE_finalize();
    return 0;
}
