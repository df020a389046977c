#include "mpira/genome/fragments.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"

#include "genome/fragment_source.hpp"
#include "genome/quiet_htslib.hpp"

namespace mpira::genome {

namespace fs = std::filesystem;

void FragmentFile::Source::refuse(std::string_view what) const {
    fail_usage(fmt::format("{}: {}", file_.string(), what));
}
void FragmentFile::Source::find_index(std::initializer_list<fs::path> candidates, std::string_view command) {
    auto const* const found =
        std::ranges::find_if(candidates, [](auto const& index) { return fs::exists(index); });
    if (found == candidates.end())
        refuse(fmt::format("there is no index beside it; make one: {} {}", command, file_.string()));
    index_file_ = *found;
}
void FragmentFile::Source::refuse_index(std::string_view command) const {
    refuse(fmt::format("its index {} can't be read; make it anew: {} {}", index_file_.string(), command,
                       file_.string()));
}
void FragmentFile::Source::refuse_damage(std::string_view chrom, std::int64_t start, std::int64_t end) const {
    refuse(fmt::format("damaged, or not the file that {} was made for: reading {}:{}-{} failed",
                       index_file_.string(), chrom, start, end));
}
fs::path FragmentFile::Source::with(char const* ending) const {
    auto name = file_;
    return name += ending;
}

FragmentFile::FragmentFile(fs::path const& file, AlignmentRules const& rules) {
    QuietHtslib const quiet;
    auto const refuse = [&](std::string_view what) {
        fail_usage(fmt::format("{}: {}", file.string(), what));
    };
    if (!fs::is_regular_file(file)) refuse(fs::exists(file) ? "this is no file" : std::strerror(ENOENT));
    HtsFile opened(hts_open(file.c_str(), "r"));
    if (!opened) refuse(std::strerror(errno));
    auto const* const format = hts_get_format(opened.get());
    if (format->format == sam || format->format == cram)
        refuse(
            fmt::format("alignments can be looked up in a sorted BAM only; make one: "
                        "samtools sort -o sorted.bam {} && samtools index sorted.bam",
                        file.string()));
    if (format->compression != bgzf)
        refuse(
            fmt::format("not compressed by bgzip, so that no part of it can be looked up; "
                        "make it so: gunzip -c {} | bgzip > sorted.tsv.gz",
                        file.string()));
    if (hts_check_EOF(opened.get()) == 0) refuse("its end is missing: a download that broke off?");
    source_ = format->format == bam ? open_bam_fragments(file, std::move(opened), rules)
                                    : open_tabix_fragments(file, std::move(opened));
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
    ContentHash hash;
    hash.add(fmt::format("{}", fs::file_size(file()))).add(hash_file(source_->index_file()));
    return hash.hex();
}

}  // namespace mpira::genome
