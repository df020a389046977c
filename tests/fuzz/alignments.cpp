// Chain and net files, and what of them joins bins of a genome.
#include "mpira/genome/alignments.hpp"

#include "mpira/genome/homology.hpp"

#include "fuzz/hostile.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static genome::ChromSizes const chroms({"chr1", "chr2R"}, {1000, 400});
        auto const file = fuzz::in_file(bytes, "fuzz.chain");
        genome::read_alignments(file, chroms, chroms, [](genome::Alignment const& one) {
            std::int64_t before = 0;
            for (auto const& piece : one.pieces) {
                ensure(piece.target_start >= before && piece.target_start < piece.target_end &&
                           piece.target_end <= chroms.length(one.target_chrom),
                       "pieces that don't ascend inside their chromosome");
                ensure(piece.query_start >= 0 && piece.query_start < piece.query_end &&
                           piece.query_end <= chroms.length(one.query_chrom),
                       "a piece outside of the query's chromosome");
                before = piece.target_end;
            }
        });
        auto const found = genome::homologous_bins(file, chroms, nullptr, 100, 10);
        ensure(found.components > 0 && found.components <= found.target.size(), "components of no bins");
    });
}
