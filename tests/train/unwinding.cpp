// A rank that throws in the middle of a step, while sums are under way or the others wait in theirs: run_main
// ends the job (tests/comm/expect_exit.cmake checks how, and how fast).
#include <stdexcept>
#include <string>
#include <vector>

#include <ATen/ops/ones.h>

#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"
#include "mpira/train/gradient_engine.hpp"

int main(int argc, char** argv) {
    std::string const engine_name = argc > 1 ? argv[1] : "";
    return mpira::comm::run_main(argc, argv, [&] {
        auto const world = mpira::comm::Communicator::world();
        std::vector<at::Tensor> parameters;
        for (int i = 0; i < 4; ++i) parameters.push_back(at::ones({1000}).requires_grad_(true));
        auto const engine = mpira::train::make_gradient_engine(world, parameters,
                                                               {.batch = 8,
                                                                .micro_batch = 1,
                                                                .deterministic = engine_name == "tree",
                                                                .bucket_bytes = 4000,
                                                                .timeline = {}});
        std::vector<std::uint64_t> const lengths(8, 1);
        for (int step = 0; step < 3; ++step) {
            engine->begin_step();
            for (auto const& pass : engine->passes(lengths)) {
                if (step == 1 && pass.last && world.rank() == 1) throw std::runtime_error("out of patience");
                auto loss = parameters[0].sum();
                for (int i = 1; i < 4; ++i) loss = loss.add(parameters[static_cast<std::size_t>(i)].sum());
                engine->backward(loss, pass);
                // Its sums have been started, and rank 0 will never come.
                if (step == 1 && pass.last && world.rank() == 2) throw std::runtime_error("out of patience");
            }
            engine->finish_step(false);
        }
        return 0;
    });
}
