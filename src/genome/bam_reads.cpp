#include "genome/bam_reads.hpp"

#include <utility>

#include <fmt/format.h>

namespace mpira::genome {
namespace {

constexpr char const* kIndexCommand = "samtools index";

}  // namespace

BamReads::BamReads(IndexedFile& indexed, HtsFile opened)
    : indexed_(indexed),
      opened_(std::move(opened)),
      header_(sam_hdr_read(opened_.get())),
      record_(bam_init1()) {
    if (!header_) indexed.refuse("its header can't be read");
    auto stem = indexed.file();
    indexed.find_index({indexed.with(".bai"), indexed.with(".csi"), stem.replace_extension(".bai")},
                       kIndexCommand);
    index_.reset(sam_index_load2(opened_.get(), indexed.file().c_str(), indexed.index_file().c_str()));
    if (!index_) indexed.refuse_index(kIndexCommand);
    for (int i = 0; i < sam_hdr_nref(header_.get()); ++i) {
        std::uint64_t mapped = 0;
        std::uint64_t unmapped = 0;
        if (hts_idx_get_stat(index_.get(), i, &mapped, &unmapped) == 0 && mapped > 0)
            chroms_.emplace_back(sam_hdr_tid2name(header_.get(), i));
    }
}

bam1_t const* BamReads::first_read() {
    int const code = sam_read1(opened_.get(), header_.get(), record_.get());
    if (code < -1) indexed_.refuse("damaged: its first read can't be read");
    return code < 0 ? nullptr : record_.get();
}

void BamReads::read(std::string_view chrom, std::int64_t start, std::int64_t end,
                    std::function<void(bam1_t const&)> const& each) {
    int const number = sam_hdr_name2tid(header_.get(), std::string(chrom).c_str());
    HtsIterator const reads(sam_itr_queryi(index_.get(), number, start, end));
    if (!reads) indexed_.refuse(fmt::format("its index can't find {}", chrom));
    int code = 0;
    while ((code = sam_itr_next(opened_.get(), reads.get(), record_.get())) >= 0) each(*record_);
    if (code < -1) indexed_.refuse_damage(chrom, start, end);
}

}  // namespace mpira::genome
