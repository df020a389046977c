#include "mpira/genome/alignments.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "mpira/base/error.hpp"
#include "mpira/base/text.hpp"

#include "genome/fields.hpp"
#include "genome/lines.hpp"

namespace mpira::genome {
namespace {

/// What chains and nets have in common: the lines, both genomes, and where alignments go.
class AlignmentReader {
public:
    AlignmentReader(Lines& lines, ChromSizes const& target, ChromSizes const& query,
                    std::function<void(Alignment const&)> const& each)
        : lines_(lines), target_(target), query_(query), each_(each) {}
    virtual ~AlignmentReader() = default;
    AlignmentReader(AlignmentReader const&) = delete;
    AlignmentReader& operator=(AlignmentReader const&) = delete;

    /// One line that is no comment; and after the last one.
    virtual void take_line() = 0;
    virtual void finish() = 0;

    [[nodiscard]] AlignmentReport const& report() const { return report_; }
    /// Of the first alignment that was passed over.
    [[nodiscard]] std::string const& unknown() const { return unknown_; }

protected:
    [[nodiscard]] std::int64_t integer(std::string_view field, std::string_view which) const {
        auto const value = text::to_integer(field);
        if (!value || *value < 0)
            lines_.refuse(fmt::format("the {} '{}' is not an integer, 0 or more", which, field));
        return *value;
    }
    [[nodiscard]] bool reverse_strand(std::string_view field) const {
        if (field != "+" && field != "-") lines_.refuse(fmt::format("the strand '{}' is none of + -", field));
        return field == "-";
    }
    /// The chromosome's number; nothing where the sizes lack it.
    std::optional<std::int32_t> chrom(ChromSizes const& sizes, std::string_view name) {
        auto const found = sizes.find(name);
        if (!found && unknown_.empty()) unknown_ = name;
        return found;
    }
    void require_length(ChromSizes const& sizes, std::optional<std::int32_t> chrom_number,
                        std::int64_t length) const {
        if (!chrom_number || sizes.length(*chrom_number) == length) return;
        lines_.refuse(
            fmt::format("{} has {} bp here and {} in the chromosome sizes; is it the same assembly?",
                        sizes.name(*chrom_number), length, sizes.length(*chrom_number)));
    }
    void give(Alignment const& alignment, bool known) {
        if (!known) {
            ++report_.other_chromosome;
            return;
        }
        ++report_.alignments;
        each_(alignment);
    }

    Lines& lines_;
    ChromSizes const& target_;
    ChromSizes const& query_;
    std::vector<std::string_view> fields_;

private:
    std::function<void(Alignment const&)> const& each_;
    AlignmentReport report_;
    std::string unknown_;
};

// chain score tName tSize tStrand tStart tEnd qName qSize qStrand qStart qEnd id, then a line a block: its
// size and the gaps after it in target and query, the last one its size alone. Positions on the minus strand
// count from the query's end.
class ChainReader final : public AlignmentReader {
public:
    using AlignmentReader::AlignmentReader;

    void take_line() override {
        split_fields(lines_.line(), fields_);
        if (fields_.empty()) return;
        if (fields_[0] == "chain") {
            finish();
            begin();
        } else {
            take_block();
        }
    }

    void finish() override {
        if (open_) lines_.refuse(fmt::format("the chain of line {} has no last block before this", began_));
    }

private:
    void begin() {
        if (fields_.size() < 12)
            lines_.refuse(
                fmt::format("a chain's header has 12 fields and an id, this one has {}", fields_.size()));
        auto const target = chrom(target_, fields_[2]);
        auto const query = chrom(query_, fields_[7]);
        auto const target_size = integer(fields_[3], "target size");
        query_size_ = integer(fields_[8], "query size");
        require_length(target_, target, target_size);
        require_length(query_, query, query_size_);
        if (reverse_strand(fields_[4])) lines_.refuse("the target's strand is -, expected +");
        target_at_ = integer(fields_[5], "target start");
        target_end_ = integer(fields_[6], "target end");
        query_at_ = integer(fields_[10], "query start");
        query_end_ = integer(fields_[11], "query end");
        if (target_at_ >= target_end_ || target_end_ > target_size)
            lines_.refuse(
                fmt::format("the target's {}-{} is no part of {} bp", target_at_, target_end_, target_size));
        if (query_at_ >= query_end_ || query_end_ > query_size_)
            lines_.refuse(
                fmt::format("the query's {}-{} is no part of {} bp", query_at_, query_end_, query_size_));
        known_ = target && query;
        alignment_ = {.target_chrom = target.value_or(0),
                      .query_chrom = query.value_or(0),
                      .reversed = reverse_strand(fields_[9]),
                      .pieces = {}};
        open_ = true;
        began_ = lines_.number();
    }

    void take_block() {
        if (!open_) lines_.refuse(fmt::format("'{}' is no chain, and no block of one", fields_[0]));
        if (fields_.size() != 1 && fields_.size() != 3)
            lines_.refuse(fmt::format("a block is its size and two gaps, or its size alone; found {} fields",
                                      fields_.size()));
        auto const size = integer(fields_[0], "size of the block");
        advance(size, size);
        if (known_ && size > 0) {
            auto const query_start = alignment_.reversed ? query_size_ - query_at_ : query_at_ - size;
            alignment_.pieces.push_back({target_at_ - size, target_at_, query_start, query_start + size});
        }
        if (fields_.size() == 3) {
            advance(integer(fields_[1], "gap in the target"), integer(fields_[2], "gap in the query"));
            return;
        }
        if (target_at_ != target_end_ || query_at_ != query_end_)
            lines_.refuse(fmt::format("the blocks end at {} and {}, line {} says {} and {}", target_at_,
                                      query_at_, began_, target_end_, query_end_));
        open_ = false;
        give(alignment_, known_);
    }

    void advance(std::int64_t in_target, std::int64_t in_query) {
        if (in_target > target_end_ - target_at_ || in_query > query_end_ - query_at_)
            lines_.refuse(fmt::format("the blocks go past the end that line {} gives the chain", began_));
        target_at_ += in_target;
        query_at_ += in_query;
    }

    bool open_ = false;
    bool known_ = false;
    std::int64_t began_ = 0;
    Alignment alignment_;
    std::int64_t query_size_ = 0;
    std::int64_t target_at_ = 0, target_end_ = 0;
    std::int64_t query_at_ = 0, query_end_ = 0;
};

// "net chrom size", then fills and gaps in each other, each a blank further in than what it lies in: kind,
// target start and size, query chromosome, strand, query start and size, and what isn't needed here. All
// positions are on forward strands.
class NetReader final : public AlignmentReader {
public:
    using AlignmentReader::AlignmentReader;

    void take_line() override {
        auto const line = lines_.line();
        auto const depth = line.find_first_not_of(' ');
        split_fields(line.substr(depth), fields_);
        if (fields_[0] == "net") {
            finish();
            begin_chromosome();
            return;
        }
        if (fields_[0] != "fill" && fields_[0] != "gap")
            lines_.refuse(fmt::format("'{}' is none of net, fill, gap", fields_[0]));
        if (length_ == 0) lines_.refuse("a fill or gap before the first net line");
        if (fields_.size() < 7)
            lines_.refuse(
                fmt::format("a {} has 7 fields or more, this one has {}", fields_[0], fields_.size()));
        while (!open_.empty() && open_.back().depth >= depth) close();
        Part const part{.start = integer(fields_[1], "target start"),
                        .size = integer(fields_[2], "target size"),
                        .query_start = integer(fields_[5], "query start"),
                        .query_size = integer(fields_[6], "query size")};
        if (part.start > length_ || part.size > length_ - part.start)
            lines_.refuse(fmt::format("{} bp from {} go past the end of the chromosome, which has {} bp",
                                      part.size, part.start, length_));
        if (fields_[0] == "fill") {
            begin_fill(part, depth);
        } else {
            take_gap(part);
        }
    }

    void finish() override {
        while (!open_.empty()) close();
    }

private:
    struct Part {
        std::int64_t start, size, query_start, query_size;
    };
    struct Fill {
        std::size_t depth = 0;
        bool known = false;
        Alignment alignment;
        std::int64_t target_at = 0, target_end = 0;
        std::int64_t query_at = 0, query_end = 0;  ///< reversed: going down to query_end
    };

    void begin_chromosome() {
        if (fields_.size() < 3) lines_.refuse("a net line has a chromosome and its size");
        chrom_ = chrom(target_, fields_[1]);
        length_ = integer(fields_[2], "size");
        if (length_ == 0) lines_.refuse("a chromosome of 0 bp");
        require_length(target_, chrom_, length_);
    }

    void begin_fill(Part const& part, std::size_t depth) {
        auto const query = chrom(query_, fields_[3]);
        auto const longest = query ? query_.length(*query) : std::numeric_limits<std::int64_t>::max();
        if (part.query_start > longest || part.query_size > longest - part.query_start)
            lines_.refuse(
                fmt::format("{} bp from {} go past the end of {}, which has {} bp; is it the same "
                            "assembly?",
                            part.query_size, part.query_start, fields_[3], longest));
        bool const reversed = reverse_strand(fields_[4]);
        auto const query_end = part.query_start + part.query_size;
        open_.push_back({.depth = depth,
                         .known = chrom_ && query,
                         .alignment = {.target_chrom = chrom_.value_or(0),
                                       .query_chrom = query.value_or(0),
                                       .reversed = reversed,
                                       .pieces = {}},
                         .target_at = part.start,
                         .target_end = part.start + part.size,
                         .query_at = reversed ? query_end : part.query_start,
                         .query_end = reversed ? part.query_start : query_end});
    }

    void take_gap(Part const& part) {
        if (open_.empty()) lines_.refuse("a gap outside of any fill");
        auto& fill = open_.back();
        if (part.start < fill.target_at || part.start + part.size > fill.target_end)
            lines_.refuse("this gap lies outside of its fill, or before the gap above it");
        bool const reversed = fill.alignment.reversed;
        auto const least = reversed ? fill.query_end : fill.query_at;
        auto const most = reversed ? fill.query_at : fill.query_end;
        if (part.query_start < least || part.query_start > most || part.query_size > most - part.query_start)
            lines_.refuse("in the query, this gap lies outside of its fill, or before the gap above it");
        auto const query_end = part.query_start + part.query_size;
        add_piece(fill, part.start, reversed ? query_end : part.query_start);
        fill.target_at = part.start + part.size;
        fill.query_at = reversed ? part.query_start : query_end;
    }

    static void add_piece(Fill& fill, std::int64_t target_to, std::int64_t query_to) {
        auto const [from, to] = std::minmax(fill.query_at, query_to);
        if (target_to > fill.target_at && to > from)
            fill.alignment.pieces.push_back({fill.target_at, target_to, from, to});
    }

    void close() {
        auto& fill = open_.back();
        add_piece(fill, fill.target_end, fill.query_end);
        give(fill.alignment, fill.known);
        open_.pop_back();
    }

    std::optional<std::int32_t> chrom_;
    std::int64_t length_ = 0;
    std::vector<Fill> open_;
};

std::unique_ptr<AlignmentReader> reader_for(Lines& lines, ChromSizes const& target, ChromSizes const& query,
                                            std::function<void(Alignment const&)> const& each) {
    auto const kind = first_word(lines.line());
    if (kind == "chain") return std::make_unique<ChainReader>(lines, target, query, each);
    if (kind == "net") return std::make_unique<NetReader>(lines, target, query, each);
    lines.refuse("is no chain and no net file: the first line begins with neither of these words");
}

}  // namespace

std::string AlignmentReport::describe() const {
    return fmt::format("{} alignments read, {} passed over on chromosomes without a size", alignments,
                       other_chromosome);
}

AlignmentReport read_alignments(std::filesystem::path const& file, ChromSizes const& target,
                                ChromSizes const& query, std::function<void(Alignment const&)> const& each) {
    Lines lines(file);
    std::unique_ptr<AlignmentReader> reader;
    while (lines.next()) {
        if (text::trim(lines.line()).empty() || lines.line().starts_with('#')) continue;
        if (!reader) reader = reader_for(lines, target, query, each);
        reader->take_line();
    }
    if (reader) reader->finish();
    require(reader && reader->report().alignments + reader->report().other_chromosome > 0,
            fmt::format("{}: holds no alignment", file.string()));
    require(reader->report().alignments > 0,
            fmt::format("{}: no alignment is on chromosomes with a size: '{}' is not among those that have "
                        "one, '{}' for example",
                        file.string(), reader->unknown(), target.name(0)));
    return reader->report();
}

}  // namespace mpira::genome
