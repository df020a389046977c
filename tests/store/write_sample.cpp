// Writes the sample campaign for tests/python/store_anndata_test.py: write_sample FILE STEP..., where a step
// is create, half (every other unit), fail (unit 1 is set aside), all, finish, seal.
#include <cstdio>
#include <exception>
#include <string>

#include "mpira/store/inspect.hpp"

#include "store/sample.hpp"

namespace {

using namespace mpira::store;

void run(std::string const& file, std::string const& step) {
    auto const layout = sample::layout();
    if (step == "create") return ResultFile::create(file, layout, sample::tables(layout));
    if (step == "seal") return seal(file, file + ".sealed.h5ad");
    auto opened = ResultFile::open(file, layout);
    if (step == "finish") return opened.finish([&](FinishedRows& rows) { sample::fill(rows, layout); });
    if (step == "fail") return opened.record_failure(1, sample::report(2), "the sequence is too short");
    std::vector<std::uint64_t> units;
    for (std::uint64_t unit = 0; unit < layout.units(); ++unit)
        if (step == "all" || unit % 2 == 0) units.push_back(unit);
    sample::commit_units(opened, layout, units);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        for (int i = 2; i < argc; ++i) run(argv[1], argv[i]);
        return argc > 2 ? 0 : 2;
    } catch (std::exception const& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}
