#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <htslib/sam.h>

#include "genome/fragment_source.hpp"

namespace mpira::genome {
namespace {

constexpr char const* kIndexCommand = "samtools index";
constexpr int kLeftOut =
    BAM_FUNMAP | BAM_FMUNMAP | BAM_FSECONDARY | BAM_FQCFAIL | BAM_FDUP | BAM_FSUPPLEMENTARY;
constexpr int kProperPair = BAM_FPAIRED | BAM_FPROPER_PAIR;
// Tn5 leaves 9 bp twice: reads begin 4 bp before, and end 5 bp after, the middle of its cut.
constexpr std::int64_t kShiftStart = 4;
constexpr std::int64_t kShiftEnd = 5;

struct CloseHeader {
    void operator()(sam_hdr_t* header) const { sam_hdr_destroy(header); }
};
struct CloseIndex {
    void operator()(hts_idx_t* index) const { hts_idx_destroy(index); }
};
struct CloseRecord {
    void operator()(bam1_t* record) const { bam_destroy1(record); }
};

class BamFragments final : public FragmentFile::Source {
public:
    BamFragments(std::filesystem::path const& file, HtsFile opened, AlignmentRules const& rules)
        : Source(file),
          rules_(rules),
          opened_(std::move(opened)),
          header_(sam_hdr_read(opened_.get())),
          record_(bam_init1()) {
        if (!header_) refuse("its header can't be read");
        auto stem = file;
        find_index({with(".bai"), with(".csi"), stem.replace_extension(".bai")}, kIndexCommand);
        index_.reset(sam_index_load2(opened_.get(), file.c_str(), index_file().c_str()));
        if (!index_) refuse_index(kIndexCommand);
        refuse_single_reads();
        for (int i = 0; i < sam_hdr_nref(header_.get()); ++i) {
            std::uint64_t mapped = 0;
            std::uint64_t unmapped = 0;
            if (hts_idx_get_stat(index_.get(), i, &mapped, &unmapped) == 0 && mapped > 0)
                chroms_.emplace_back(sam_hdr_tid2name(header_.get(), i));
        }
    }

    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each) override {
        int const number = sam_hdr_name2tid(header_.get(), std::string(chrom).c_str());
        // A fragment's left read may lie before what its inside reaches.
        HtsIterator const reads(sam_itr_queryi(
            index_.get(), number, std::max<std::int64_t>(0, start - rules_.max_fragment_bp), end));
        if (!reads) refuse(fmt::format("its index can't find {}", chrom));
        int code = 0;
        while ((code = sam_itr_next(opened_.get(), reads.get(), record_.get())) >= 0) {
            auto const fragment = fragment_of(*record_);
            if (fragment && fragment->start < end && fragment->end > start) each(*fragment);
        }
        if (code < -1) refuse_damage(chrom, start, end);
    }
    [[nodiscard]] bool is_alignments() const noexcept override { return true; }

private:
    void refuse_single_reads() {
        int const code = sam_read1(opened_.get(), header_.get(), record_.get());
        if (code < -1) refuse("damaged: its first read can't be read");
        if (code >= 0 && (record_->core.flag & BAM_FPAIRED) == 0)
            refuse(fmt::format(
                "its first read, '{}', is not paired: single reads tell no fragment; give fragments as "
                "a BED (bgzip, tabix) instead",
                bam_get_qname(record_.get())));
    }
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
        Fragment fragment{core.pos + kShiftStart, core.pos + core.isize - kShiftEnd, {}};
        if (fragment.start >= fragment.end) return std::nullopt;
        if (auto const* const tag = bam_aux_get(&read, rules_.barcode_tag.c_str()); tag != nullptr) {
            if (auto const* const barcode = bam_aux2Z(tag); barcode != nullptr) fragment.barcode = barcode;
        }
        return fragment;
    }

    AlignmentRules rules_;
    HtsFile opened_;
    std::unique_ptr<sam_hdr_t, CloseHeader> header_;
    std::unique_ptr<bam1_t, CloseRecord> record_;
    std::unique_ptr<hts_idx_t, CloseIndex> index_;
};

}  // namespace

std::unique_ptr<FragmentFile::Source> open_bam_fragments(std::filesystem::path const& file, HtsFile opened,
                                                         AlignmentRules const& rules) {
    return std::make_unique<BamFragments>(file, std::move(opened), rules);
}

}  // namespace mpira::genome
