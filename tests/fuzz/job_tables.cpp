// The tables that jobs take. The first byte chooses which; a second file of the same job follows a NUL.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "fuzz/hostile.hpp"
#include "jobs/agreement.hpp"
#include "jobs/colocalisation.hpp"
#include "jobs/gene_sets.hpp"
#include "jobs/weights_table.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    using namespace mpira;
    fuzz::Bytes const bytes(data, size);
    return fuzz::read_or_refuse([&] {
        static std::vector<std::string> const motifs{"MA1", "MA2", "MA3"};
        static genome::ChromSizes const chroms({"chr1", "chr2R"}, {1000, 2000});
        if (bytes.empty()) return;
        auto const all = bytes.subspan(1);
        auto const cut = std::min(fuzz::text_of(all).find('\0'), all.size());
        auto const second = all.subspan(std::min(cut + 1, all.size()));
        auto const file = fuzz::in_file(all.first(cut), "fuzz.tsv");
        switch (bytes[0] % 6) {
            case 0:
                (void)jobs::read_gmt(file);
                break;
            case 1:
                (void)jobs::Annotation(file, motifs, {}).motifs_of("one");
                break;
            case 2:
                (void)jobs::read_pairs(file, "pairs", jobs::Annotation(motifs));
                break;
            case 3: {
                auto const names =
                    second.empty() ? std::filesystem::path() : fuzz::in_file(second, "names.tsv");
                auto const truth = jobs::read_string(file, names, 400, jobs::Annotation(motifs));
                ensure(truth.pair_count() <= motifs.size() * (motifs.size() - 1) / 2,
                       "more pairs than there are");
                break;
            }
            case 4:
                (void)jobs::read_weights_table(file, "weights", "group");
                break;
            default:
                fuzz::in_file(second, "peaks.bed");  // that a list may name
                auto const peaks = jobs::read_tiered_peaks(file, "score", chroms);
                (void)jobs::colocalisation_scores(jobs::overlaps_by_tier(peaks), peaks.size());
        }
    });
}
