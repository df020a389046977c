// BED3 to BED6, narrowPeak, plain and gzipped.
#include "mpira/genome/regions.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static genome::ChromSizes const chroms({"chr1", "chr2R"}, {1000, 2000});
        (void)genome::read_bed(fuzz::in_file(bytes, "fuzz.bed"), chroms);
    });
}
