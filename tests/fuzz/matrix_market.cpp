// Matrix Market folders: matrix, peaks or features, barcodes.
#include <algorithm>

#include "mpira/genome/cell_matrix.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    if (size == 0) return 0;
    fuzz::Bytes const bytes(data + 1, size - 1);
    return fuzz::read_or_refuse([&] {
        // Parts split by NUL: matrix, rows, cells. The first byte says which file names the rows.
        static test::ScratchFolder const beds;
        static test::ScratchFolder const tables;
        bool const is_bed = data[0] % 2 == 0;
        auto const& folder = is_bed ? beds : tables;
        auto rest = fuzz::text_of(bytes);
        for (char const* const name : {"matrix.mtx", is_bed ? "peaks.bed" : "features.tsv", "barcodes.tsv"}) {
            auto const end = std::min(rest.find(char{0}), rest.size());
            folder.write(name, rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
        }
        auto const opened = genome::open_matrix_market(folder.path());
        opened->read([&](genome::CellMatrix::Entry const& entry) {
            if (entry.peak >= opened->peaks().size() || entry.cell >= opened->cells().size() ||
                entry.count < 1)
                std::abort();
        });
    });
}
