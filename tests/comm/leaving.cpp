// Ways to leave a program: what run_main makes of each is checked by expect_exit.cmake.
#include <cstdio>
#include <stdexcept>
#include <string>

#include <mpi.h>

#include "mpira/base/error.hpp"
#include "mpira/comm/communicator.hpp"
#include "mpira/comm/runtime.hpp"

int main(int argc, char** argv) {
    std::string const how = argc > 1 ? argv[1] : "";
    return mpira::comm::run_main(argc, argv, [&] {
        auto const world = mpira::comm::Communicator::world();
        bool const last = world.rank() == world.size() - 1;
        if (how == "well") {
            if (world.is_root()) std::printf("%s\n", mpira::comm::library_version().c_str());
            return 0;
        }
        if (how == "usage-everywhere")
            mpira::comm::everywhere(world, [&] { mpira::fail_usage("config.toml: no such key"); });
        if (how == "usage-on-one")
            mpira::comm::everywhere(world, [&] { mpira::require(!last, "atlas.h5ad: rows out of order"); });
        if (how == "stopped-everywhere")
            mpira::comm::everywhere(world, [] { throw mpira::Error(mpira::Origin::stopped, "stopped"); });
        if (how == "alone" && last) throw std::runtime_error("the disk is gone");
        world.barrier();  // where the others wait
        auto const node = world.on_this_node();
        if (how == "alone-holding" && last) throw std::runtime_error("the disk is gone");
        node.barrier();
        world.barrier();
        return 0;
    });
}
