// Genes: the first byte chooses GTF, GFF3 or BED.
#include "mpira/genome/genes.hpp"

#include <string>
#include <vector>

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static std::vector<std::string> const chroms{"chr1", "chr2R"};
        static char const* const names[] = {"fuzz.gtf", "fuzz.gff3", "fuzz.bed"};
        if (bytes.empty()) return;
        (void)genome::read_genes(fuzz::in_file(bytes.subspan(1), names[bytes[0] % 3]), chroms);
    });
}
