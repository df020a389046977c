#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <htslib/hts.h>

#include "mpira/genome/fragments.hpp"

namespace mpira::genome {

struct CloseHtsFile {
    void operator()(htsFile* file) const { hts_close(file); }
};
struct CloseHtsIterator {
    void operator()(hts_itr_t* iterator) const { hts_itr_destroy(iterator); }
};
using HtsFile = std::unique_ptr<htsFile, CloseHtsFile>;
using HtsIterator = std::unique_ptr<hts_itr_t, CloseHtsIterator>;

/// One form of a FragmentFile, whose contract is there. htslib keeps quiet while these are called.
class FragmentFile::Source {
public:
    explicit Source(std::filesystem::path const& file) : file_(file) {}
    Source(Source const&) = delete;
    Source& operator=(Source const&) = delete;
    virtual ~Source() = default;

    virtual void read(std::string_view chrom, std::int64_t start, std::int64_t end,
                      std::function<void(Fragment const&)> const& each) = 0;
    [[nodiscard]] virtual bool is_alignments() const noexcept = 0;
    [[nodiscard]] std::filesystem::path const& file() const noexcept { return file_; }
    [[nodiscard]] std::filesystem::path const& index_file() const noexcept { return index_file_; }
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept { return chroms_; }

protected:
    [[noreturn]] void refuse(std::string_view what) const;
    /// Takes the first of the candidates that exists as the index; `command` makes one.
    void find_index(std::initializer_list<std::filesystem::path> candidates, std::string_view command);
    [[noreturn]] void refuse_index(std::string_view command) const;
    [[noreturn]] void refuse_damage(std::string_view chrom, std::int64_t start, std::int64_t end) const;
    /// The file's name with this behind it.
    [[nodiscard]] std::filesystem::path with(char const* ending) const;

    std::vector<std::string> chroms_;

private:
    std::filesystem::path file_;
    std::filesystem::path index_file_;
};

std::unique_ptr<FragmentFile::Source> open_tabix_fragments(std::filesystem::path const& file, HtsFile opened);
std::unique_ptr<FragmentFile::Source> open_bam_fragments(std::filesystem::path const& file, HtsFile opened,
                                                         AlignmentRules const& rules);

}  // namespace mpira::genome
