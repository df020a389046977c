#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/text.hpp"

#include "genome/bam_reads.hpp"
#include "genome/fragment_source.hpp"
#include "genome/tabix_lines.hpp"

namespace mpira::genome {
namespace {

class BamFivePrime final : public FragmentFile::Source {
public:
    BamFivePrime(std::filesystem::path const& file, HtsFile opened, AlignmentRules const& rules)
        : Source(file), rules_(rules), reads_(*this, std::move(opened)) {}

    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each) override {
        reads_.read(chrom, start, end, [&](bam1_t const& read) {
            constexpr int kLeftOut = BAM_FUNMAP | BAM_FSECONDARY | BAM_FQCFAIL | BAM_FSUPPLEMENTARY;
            auto const& core = read.core;
            bool const is_second = (core.flag & BAM_FPAIRED) != 0 && (core.flag & BAM_FREAD1) == 0;
            if ((core.flag & kLeftOut) != 0 || is_second || core.qual < rules_.min_mapq) return;
            bool const is_reverse = (core.flag & BAM_FREVERSE) != 0;
            auto const at = is_reverse ? bam_endpos(&read) - 1 : core.pos;
            if (at >= start && at < end) each({at, at + 1, {}, is_reverse ? '-' : '+', 1});
        });
    }
    [[nodiscard]] bool is_alignments() const noexcept override { return true; }
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept override { return reads_.chroms(); }

private:
    AlignmentRules rules_;
    BamReads reads_;
};

}  // namespace

Fragment parse_start_site(IndexedFile const& file, std::string_view line) {
    auto const refuse = [&](std::string_view what) {
        file.refuse(fmt::format("'{}': {}", line.substr(0, 80), what));
    };
    std::string_view fields[6];
    if (first_fields(line, fields) < 6)
        refuse("a start site has chromosome, start, end, name, number of reads and strand, by tabs");
    auto const start = text::to_integer(fields[1]);
    auto const end = text::to_integer(fields[2]);
    if (!start || !end || *start < 0 || *end != *start + 1)
        refuse("a start site is one base, end = start + 1; of reads make start sites first, or give a BAM");
    auto const reads = text::to_number(fields[4]);
    constexpr double kMost = 2e9;
    if (!reads || *reads < 0 || *reads > kMost || *reads != std::floor(*reads))
        refuse(fmt::format("'{}' is no number of reads; counts are needed, not TPM", fields[4]));
    if (fields[5] != "+" && fields[5] != "-") refuse(fmt::format("'{}' is no strand", fields[5]));
    return {*start, *end, {}, fields[5].front(), static_cast<std::int64_t>(*reads)};
}

std::unique_ptr<FragmentFile::Source> open_bam_five_prime(std::filesystem::path const& file, HtsFile opened,
                                                          AlignmentRules const& rules) {
    return std::make_unique<BamFivePrime>(file, std::move(opened), rules);
}

}  // namespace mpira::genome
