#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <htslib/kstring.h>
#include <htslib/tbx.h>

#include "mpira/base/text.hpp"

#include "genome/fragment_source.hpp"

namespace mpira::genome {
namespace {

constexpr char const* kIndexCommand = "tabix -f -p bed";

struct CloseIndex {
    void operator()(tbx_t* index) const { tbx_destroy(index); }
};

/// A line that htslib writes into.
struct Line {
    kstring_t text = KS_INITIALIZE;
    Line() = default;
    Line(Line const&) = delete;
    Line& operator=(Line const&) = delete;
    ~Line() { ks_free(&text); }
    [[nodiscard]] std::string_view view() const { return {text.s, text.l}; }
};

class TabixFragments final : public FragmentFile::Source {
public:
    TabixFragments(std::filesystem::path const& file, HtsFile opened)
        : Source(file), opened_(std::move(opened)) {
        find_index({with(".tbi"), with(".csi")}, "tabix -p bed");
        index_.reset(tbx_index_load2(file.c_str(), index_file().c_str()));
        if (!index_) refuse_index(kIndexCommand);
        int count = 0;
        char const** const names = tbx_seqnames(index_.get(), &count);
        for (int i = 0; i < count; ++i) chroms_.emplace_back(names[i]);
        std::free(names);  // NOLINT(bugprone-multi-level-implicit-pointer-conversion): as htslib asks
    }

    void read(std::string_view chrom, std::int64_t start, std::int64_t end,
              std::function<void(Fragment const&)> const& each) override {
        int const number = tbx_name2id(index_.get(), std::string(chrom).c_str());
        HtsIterator const lines(tbx_itr_queryi(index_.get(), number, start, end));
        if (!lines) refuse(fmt::format("its index can't find {}", chrom));
        int code = 0;
        while ((code = tbx_itr_next(opened_.get(), index_.get(), lines.get(), &line_.text)) >= 0)
            each(parse());
        if (code < -1) refuse_damage(chrom, start, end);
    }

    [[nodiscard]] bool is_alignments() const noexcept override { return false; }

private:
    [[nodiscard]] Fragment parse() const {
        auto rest = line_.view();
        std::string_view fields[4];
        std::size_t count = 0;
        for (bool more = true; more && count < 4; ++count) {
            auto const tab = rest.find('\t');
            fields[count] = rest.substr(0, tab);
            more = tab != std::string_view::npos;
            if (more) rest.remove_prefix(tab + 1);
        }
        auto const start = count > 2 ? text::to_integer(fields[1]) : std::nullopt;
        auto const end = count > 2 ? text::to_integer(fields[2]) : std::nullopt;
        if (!start || !end || *start < 0 || *start >= *end)
            refuse(fmt::format(
                "'{}' is no fragment: expected chromosome, start, end (integers, start < end) and barcode, "
                "separated by tabs",
                line_.view().substr(0, 80)));
        return {*start, *end, fields[3]};
    }

    HtsFile opened_;
    std::unique_ptr<tbx_t, CloseIndex> index_;
    Line line_;
};

}  // namespace

std::unique_ptr<FragmentFile::Source> open_tabix_fragments(std::filesystem::path const& file,
                                                           HtsFile opened) {
    return std::make_unique<TabixFragments>(file, std::move(opened));
}

}  // namespace mpira::genome
