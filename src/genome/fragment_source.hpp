#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "mpira/genome/fragments.hpp"

#include "genome/indexed_file.hpp"

namespace mpira::genome {

/// One form of a FragmentFile, whose contract is there. htslib keeps quiet while these are called.
class FragmentFile::Source : public IndexedFile {
public:
    explicit Source(std::filesystem::path const& file) : IndexedFile(file) {}
    Source(Source const&) = delete;
    Source& operator=(Source const&) = delete;
    virtual ~Source() = default;

    virtual void read(std::string_view chrom, std::int64_t start, std::int64_t end,
                      std::function<void(Fragment const&)> const& each) = 0;
    [[nodiscard]] virtual bool is_alignments() const noexcept = 0;
    [[nodiscard]] virtual std::vector<std::string> const& chroms() const noexcept = 0;
};

/// What a line of a table says, or its refusal.
using ParseLine = Fragment (*)(IndexedFile const& file, std::string_view line);
Fragment parse_fragment(IndexedFile const& file, std::string_view line);
Fragment parse_start_site(IndexedFile const& file, std::string_view line);  ///< of CAGE

std::unique_ptr<FragmentFile::Source> open_tabix(std::filesystem::path const& file, HtsFile opened,
                                                 ParseLine parse);
std::unique_ptr<FragmentFile::Source> open_bam_fragments(std::filesystem::path const& file, HtsFile opened,
                                                         AlignmentRules const& rules);
std::unique_ptr<FragmentFile::Source> open_bam_five_prime(std::filesystem::path const& file, HtsFile opened,
                                                          AlignmentRules const& rules);

}  // namespace mpira::genome
