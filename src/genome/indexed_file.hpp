#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <htslib/hts.h>

namespace mpira::genome {

struct CloseHtsFile {
    void operator()(htsFile* file) const { hts_close(file); }
};
struct CloseHtsIterator {
    void operator()(hts_itr_t* iterator) const { hts_itr_destroy(iterator); }
};
using HtsFile = std::unique_ptr<htsFile, CloseHtsFile>;
using HtsIterator = std::unique_ptr<hts_itr_t, CloseHtsIterator>;

/// Opens a file whose parts can be looked up: whole and compressed in blocks, a table or a BAM. Refused,
/// Origin::usage, with the command that makes it so: SAM, CRAM, plain text and gzip.
HtsFile open_lookup_file(std::filesystem::path const& file);

/// A file and the index beside it, and what is said of them when something is wrong (Origin::usage).
class IndexedFile {
public:
    explicit IndexedFile(std::filesystem::path file) : file_(std::move(file)) {}

    [[nodiscard]] std::filesystem::path const& file() const noexcept { return file_; }
    [[nodiscard]] std::filesystem::path const& index_file() const noexcept { return index_file_; }
    /// Names the content, by the checksums of the file's blocks: one pass over it that uncompresses nothing.
    [[nodiscard]] std::string content_hash() const;

    /// Takes the first of the candidates that exists as the index; `command` makes one.
    void find_index(std::initializer_list<std::filesystem::path> candidates, std::string_view command);
    [[noreturn]] void refuse(std::string_view what) const;
    [[noreturn]] void refuse_index(std::string_view command) const;
    [[noreturn]] void refuse_damage(std::string_view chrom, std::int64_t start, std::int64_t end) const;
    /// The file's name with this behind it.
    [[nodiscard]] std::filesystem::path with(char const* ending) const;

private:
    std::filesystem::path file_;
    std::filesystem::path index_file_;
};

}  // namespace mpira::genome
