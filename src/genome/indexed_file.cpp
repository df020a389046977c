#include "genome/indexed_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/log.hpp"
#include "mpira/base/mapped_file.hpp"

namespace mpira::genome {

namespace fs = std::filesystem;

HtsFile open_lookup_file(fs::path const& file) {
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
    return opened;
}

std::string IndexedFile::content_hash() const {
    ContentHash hash;
    // Each block of bgzip begins with its length and ends with the checksum of what is in it.
    constexpr std::size_t kHeader = 18, kNameAt = 12, kLengthAt = 16, kChecksum = 8;
    MappedFile const mapped(file_);
    auto const bytes = mapped.bytes();
    for (std::size_t at = 0; at < bytes.size();) {
        bool const is_block = bytes.size() - at >= kHeader && bytes[at + kNameAt] == std::byte{'B'} &&
                              bytes[at + kNameAt + 1] == std::byte{'C'};
        std::uint16_t length = 0;
        if (is_block) std::memcpy(&length, &bytes[at + kLengthAt], sizeof length);
        auto const next = at + length + 1;
        if (!is_block || next > bytes.size() || next - at < kHeader + kChecksum) {
            hash.add(bytes.subspan(at));  // of another form, which htslib may read nevertheless
            break;
        }
        hash.add(bytes.subspan(next - kChecksum, kChecksum));
        at = next;
    }
    return hash.hex();
}

void IndexedFile::find_index(std::initializer_list<fs::path> candidates, std::string_view command) {
    auto const* const found =
        std::ranges::find_if(candidates, [](auto const& index) { return fs::exists(index); });
    if (found == candidates.end())
        refuse(fmt::format("there is no index beside it; make one: {} {}", command, file_.string()));
    index_file_ = *found;
    // A copy may have lost its times, so this is no refusal.
    std::error_code unknown;
    if (fs::last_write_time(index_file_, unknown) < fs::last_write_time(file_, unknown) && !unknown)
        log::warning(
            "{}: its index is older than it is; if the file was changed since, lines will be missed: {} {}",
            file_.string(), command, file_.string());
}

void IndexedFile::refuse(std::string_view what) const {
    fail_usage(fmt::format("{}: {}", file_.string(), what));
}
void IndexedFile::refuse_index(std::string_view command) const {
    refuse(fmt::format("its index {} can't be read; make it anew: {} {}", index_file_.string(), command,
                       file_.string()));
}
void IndexedFile::refuse_damage(std::string_view chrom, std::int64_t start, std::int64_t end) const {
    refuse(fmt::format("damaged, or not the file that {} was made for: reading {}:{}-{} failed",
                       index_file_.string(), chrom, start, end));
}

fs::path IndexedFile::with(char const* ending) const {
    auto name = file_;
    return name += ending;
}

}  // namespace mpira::genome
