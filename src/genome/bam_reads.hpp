#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <htslib/sam.h>

#include "genome/indexed_file.hpp"

namespace mpira::genome {

/// Reads of a BAM by place, through its index (FILE.bai, FILE.csi or the .bai of the same stem). Threads: one
/// at a time. htslib is to be kept quiet (quiet_htslib.hpp) while these are called.
class BamReads {
public:
    /// `indexed`, whose index is found here, must outlive it.
    BamReads(IndexedFile& indexed, HtsFile opened);

    /// Chromosomes that have reads.
    [[nodiscard]] std::vector<std::string> const& chroms() const noexcept { return chroms_; }
    /// The file's first read; nullptr where it has none. To be asked before read().
    [[nodiscard]] bam1_t const* first_read();
    /// Calls `each` with every read that overlaps [start, end) of `chrom`, one of chroms().
    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(bam1_t const&)> const& each);

private:
    struct CloseHeader {
        void operator()(sam_hdr_t* header) const { sam_hdr_destroy(header); }
    };
    struct CloseIndex {
        void operator()(hts_idx_t* index) const { hts_idx_destroy(index); }
    };
    struct CloseRecord {
        void operator()(bam1_t* record) const { bam_destroy1(record); }
    };
    IndexedFile& indexed_;
    HtsFile opened_;
    std::unique_ptr<sam_hdr_t, CloseHeader> header_;
    std::unique_ptr<bam1_t, CloseRecord> record_;
    std::unique_ptr<hts_idx_t, CloseIndex> index_;
    std::vector<std::string> chroms_;
};

}  // namespace mpira::genome
