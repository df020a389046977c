// The TSV of values a region.
#include "mpira/atlas/region_table.hpp"

#include <vector>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static genome::ChromSizes const chroms({"chr1", "chr2R"}, {1000, 2000});
        static std::vector<genome::Region> const regions{{0, 0, 100}, {0, 200, 300}, {1, 5, 50}};
        auto const table = atlas::RegionTable::read(fuzz::in_file(bytes, "fuzz.tsv"), chroms, regions, {});
        std::vector<float> values(regions.size() * table.columns().size());
        table.read_rows(0, values);
    });
}
