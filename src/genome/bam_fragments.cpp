#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "genome/bam_reads.hpp"
#include "genome/fragment_source.hpp"

namespace mpira::genome {
namespace {

constexpr int kLeftOut =
    BAM_FUNMAP | BAM_FMUNMAP | BAM_FSECONDARY | BAM_FQCFAIL | BAM_FDUP | BAM_FSUPPLEMENTARY;
constexpr int kProperPair = BAM_FPAIRED | BAM_FPROPER_PAIR;
// Tn5 leaves 9 bp twice: reads begin 4 bp before, and end 5 bp after, the middle of its cut.
constexpr std::int64_t kShiftStart = 4;
constexpr std::int64_t kShiftEnd = 5;

class BamFragments final : public FragmentFile::Source {
public:
    BamFragments(std::filesystem::path const& file, HtsFile opened, AlignmentRules const& rules)
        : Source(file), rules_(rules), reads_(*this, std::move(opened)) {
        auto const* const first = reads_.first_read();
        if (first != nullptr && (first->core.flag & BAM_FPAIRED) == 0)
            refuse(fmt::format(
                "its first read, '{}', is not paired: single reads tell no fragment; give fragments as "
                "a BED (bgzip, tabix) instead",
                bam_get_qname(first)));
    }

    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each) override {
        // A fragment's left read may lie before what its inside reaches.
        reads_.read(chrom, std::max<std::int64_t>(0, start - rules_.max_fragment_bp), end,
                    [&](bam1_t const& read) {
                        auto const fragment = fragment_of(read);
                        if (fragment && fragment->start < end && fragment->end > start) each(*fragment);
                    });
    }
    [[nodiscard]] bool is_alignments() const noexcept override { return true; }
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept override { return reads_.chroms(); }

private:
    /// Of a pair's left read.
    [[nodiscard]] std::optional<Fragment> fragment_of(bam1_t const& read) const {
        auto const& core = read.core;
        if ((core.flag & kLeftOut) != 0 || (core.flag & kProperPair) != kProperPair ||
            core.tid != core.mtid || core.isize <= 0 || core.isize > rules_.max_fragment_bp ||
            core.qual < rules_.min_mapq)
            return std::nullopt;
        if (auto const* const mate = bam_aux_get(&read, "MQ");
            mate != nullptr && bam_aux2i(mate) < rules_.min_mapq)
            return std::nullopt;
        Fragment fragment{core.pos + kShiftStart, core.pos + core.isize - kShiftEnd, {}, '.', 1};
        if (fragment.start >= fragment.end) return std::nullopt;
        if (auto const* const tag = bam_aux_get(&read, rules_.barcode_tag.c_str()); tag != nullptr) {
            if (auto const* const barcode = bam_aux2Z(tag); barcode != nullptr) fragment.barcode = barcode;
        }
        return fragment;
    }

    AlignmentRules rules_;
    BamReads reads_;
};

}  // namespace

std::unique_ptr<FragmentFile::Source> open_bam_fragments(std::filesystem::path const& file, HtsFile opened,
                                                         AlignmentRules const& rules) {
    return std::make_unique<BamFragments>(file, std::move(opened), rules);
}

}  // namespace mpira::genome
