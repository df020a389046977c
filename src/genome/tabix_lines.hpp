#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <htslib/kstring.h>
#include <htslib/tbx.h>

#include "genome/indexed_file.hpp"

namespace mpira::genome {

/// Fills `fields` with the first ones of a line, between tabs, and returns how many there were.
std::size_t first_fields(std::string_view line, std::span<std::string_view> fields);

/// Lines of a bgzipped table by place, through its tabix index (FILE.tbi, FILE.csi). Threads: one at a time.
/// htslib is to be kept quiet (quiet_htslib.hpp) while these are called.
class TabixLines {
public:
    /// `indexed`, whose index is found here, must outlive it.
    TabixLines(IndexedFile& indexed, HtsFile opened);
    TabixLines(TabixLines const&) = delete;
    TabixLines& operator=(TabixLines const&) = delete;
    ~TabixLines();

    /// Chromosomes that have lines.
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept { return chroms_; }
    /// Calls `each` with every line, without its end (LF or CR LF), that shares a base with [start, end) of
    /// `chrom`, one of chroms().
    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(std::string_view)> const& each);

private:
    struct CloseIndex {
        void operator()(tbx_t* index) const { tbx_destroy(index); }
    };
    IndexedFile& indexed_;
    HtsFile opened_;
    std::unique_ptr<tbx_t, CloseIndex> index_;
    std::vector<std::string> chroms_;
    kstring_t line_ = KS_INITIALIZE;  ///< htslib writes into it
};

}  // namespace mpira::genome
