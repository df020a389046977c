#include "mpira/genome/fragments.hpp"

#include <algorithm>

#include "genome/fragment_source.hpp"
#include "genome/quiet_htslib.hpp"

namespace mpira::genome {

namespace fs = std::filesystem;

FragmentFile::FragmentFile(fs::path const& file, AlignmentRules const& rules) {
    QuietHtslib const quiet;
    auto opened = open_lookup_file(file);
    bool const is_bam = hts_get_format(opened.get())->format == bam;
    bool const five_prime = rules.ends == Ends::five_prime;
    if (!is_bam)
        source_ = open_tabix(file, std::move(opened), five_prime ? parse_start_site : parse_fragment);
    else if (five_prime)
        source_ = open_bam_five_prime(file, std::move(opened), rules);
    else
        source_ = open_bam_fragments(file, std::move(opened), rules);
}
FragmentFile::FragmentFile(FragmentFile&&) noexcept = default;
FragmentFile& FragmentFile::operator=(FragmentFile&&) noexcept = default;
FragmentFile::~FragmentFile() = default;

fs::path const& FragmentFile::file() const noexcept {
    return source_->file();
}
bool FragmentFile::is_alignments() const noexcept {
    return source_->is_alignments();
}
std::vector<std::string> const& FragmentFile::chroms() const noexcept {
    return source_->chroms();
}

void FragmentFile::read(std::string_view chrom, std::int64_t start, std::int64_t end,
                        std::function<void(Fragment const&)> const& each) {
    if (start >= end || std::ranges::find(chroms(), chrom) == chroms().end()) return;
    QuietHtslib const quiet;
    source_->read(chrom, start, end, each);
}

std::string FragmentFile::content_hash() const {
    return source_->content_hash();
}

}  // namespace mpira::genome
