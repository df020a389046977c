// Tables of measured enhancer-gene pairs; the first byte chooses whether a column names the cell type.
#include "mpira/genome/crispri.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        if (bytes.empty()) return;
        genome::CrispriColumns columns;
        if (bytes[0] % 2 == 1) columns.cell_type = "CellType";
        auto const read = genome::read_crispri(fuzz::in_file(bytes.subspan(1), "fuzz.tsv"), columns);
        for (auto const& pair : read.pairs)
            ensure(pair.start >= 0 && pair.start < pair.end && !pair.gene.empty(),
                   "a pair without an element or a gene");
    });
}
