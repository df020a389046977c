// perf/bare WEIGHTS [SECONDS] [MICRO_BATCH]: a loop of nothing but the unshortened forward, one thread, for
// about SECONDS after a warm-up. Prints {"windows", "wall_s", "cpu_s"}: what perf/job.py holds the job
// against.
#include <cstdio>
#include <cstdlib>
#include <exception>

#include <ATen/Parallel.h>
#include <ATen/ops/rand.h>
#include <c10/core/InferenceMode.h>

#include "mpira/model/get.hpp"
#include "mpira/model/weights.hpp"

#include "timing.hpp"

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: bare WEIGHTS.safetensors [SECONDS] [MICRO_BATCH]\n");
        return 2;
    }
    using mpira::perf::seconds_of;
    try {
        at::set_num_threads(1);
        c10::InferenceMode const inference;
        mpira::model::Weights const weights(argv[1]);
        mpira::model::Get const get(weights);
        double const wanted_s = argc > 2 ? std::atof(argv[2]) : 20;
        std::int64_t const batch = argc > 3 ? std::atoll(argv[3]) : 8;
        auto const x = at::rand({batch, weights.card().window, get.config().features});
        static_cast<void>(get.forward(x));
        std::int64_t windows = 0;
        double const wall = seconds_of(CLOCK_MONOTONIC);
        double const cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        while (seconds_of(CLOCK_MONOTONIC) - wall < wanted_s) {
            static_cast<void>(get.forward(x));
            windows += batch;
        }
        std::printf("{\"windows\": %lld, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n",
                    static_cast<long long>(windows), seconds_of(CLOCK_MONOTONIC) - wall,
                    seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        return 0;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
