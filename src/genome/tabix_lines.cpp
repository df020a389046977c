#include "genome/tabix_lines.hpp"

#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace mpira::genome {

std::size_t first_fields(std::string_view line, std::span<std::string_view> fields) {
    std::size_t count = 0;
    for (bool more = true; more && count < fields.size(); ++count) {
        auto const tab = line.find('\t');
        fields[count] = line.substr(0, tab);
        more = tab != std::string_view::npos;
        if (more) line.remove_prefix(tab + 1);
    }
    return count;
}

TabixLines::TabixLines(IndexedFile& indexed, HtsFile opened) : indexed_(indexed), opened_(std::move(opened)) {
    indexed.find_index({indexed.with(".tbi"), indexed.with(".csi")}, "tabix -p bed");
    index_.reset(tbx_index_load2(indexed.file().c_str(), indexed.index_file().c_str()));
    if (!index_) indexed.refuse_index("tabix -f -p bed");
    int count = 0;
    char const** const names = tbx_seqnames(index_.get(), &count);
    for (int i = 0; i < count; ++i) chroms_.emplace_back(names[i]);
    std::free(names);  // NOLINT(bugprone-multi-level-implicit-pointer-conversion): as htslib asks
}

TabixLines::~TabixLines() {
    ks_free(&line_);
}

void TabixLines::read(std::string_view chrom, std::int64_t start, std::int64_t end,
                      std::function<void(std::string_view)> const& each) {
    int const number = tbx_name2id(index_.get(), std::string(chrom).c_str());
    HtsIterator const lines(tbx_itr_queryi(index_.get(), number, start, end));
    if (!lines) indexed_.refuse(fmt::format("its index can't find {}", chrom));
    int code = 0;
    while ((code = tbx_itr_next(opened_.get(), index_.get(), lines.get(), &line_)) >= 0)
        each({line_.s, line_.l > 0 && line_.s[line_.l - 1] == '\r' ? line_.l - 1 : line_.l});
    if (code < -1) indexed_.refuse_damage(chrom, start, end);
}

}  // namespace mpira::genome
