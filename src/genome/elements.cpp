#include "mpira/genome/elements.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "mpira/base/checksum.hpp"
#include "mpira/base/error.hpp"
#include "mpira/base/mapped_file.hpp"
#include "mpira/base/text.hpp"
#include "mpira/genome/fasta.hpp"

namespace mpira::genome {
namespace {

/// Upper-case A, C, G, T or N for a letter of the IUPAC code, 0 for anything else.
constexpr std::array<char, 256> make_letters() {
    std::array<char, 256> letters{};
    auto const set = [&](char from, char to) {
        letters[static_cast<unsigned char>(from)] = to;
        letters[static_cast<unsigned char>(from - 'A' + 'a')] = to;
    };
    for (char const base : std::string_view("ACGTN")) {
        set(base, base);
    }
    for (char const ambiguous : std::string_view("RYSWKMBDHVU")) {
        set(ambiguous, 'N');
    }
    return letters;
}
constexpr auto kLetters = make_letters();

std::string_view as_text(MappedFile const& file) {
    auto const bytes = file.bytes();
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes of a text file
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

MappedFile map_text(std::filesystem::path const& path) {
    MappedFile file(path);
    auto const bytes = as_text(file);
    require(!bytes.starts_with("\x1f\x8b"),
            fmt::format("{}: compressed; elements are read where they lie, so unpack it first (gunzip)",
                        path.string()));
    return file;
}

std::size_t line_number(std::string_view text, std::size_t offset) {
    return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, offset), '\n'));
}

std::string_view line_at(std::string_view text, std::size_t offset) {
    auto line = text.substr(offset, text.find('\n', offset) - offset);
    if (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

std::string_view first_word(std::string_view line) {
    return line.substr(0, line.find_first_of(" \t"));
}

/// Appends the letters of `lines` (with line ends) to `into`; the first wrong one is refused.
void append_letters(std::string_view lines, std::string& into, std::uint64_t& ambiguous,
                    std::function<void(std::size_t)> const& refuse) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
        char const raw = lines[i];
        if (raw == '\n' || raw == '\r') {
            continue;
        }
        char const letter = kLetters[static_cast<unsigned char>(raw)];
        if (letter == 0) {
            refuse(i);
        }
        ambiguous += letter == 'N' && raw != 'N' && raw != 'n' ? 1 : 0;
        into.push_back(letter);
    }
}

std::vector<std::string_view> columns_of(std::string_view line) {
    if (line.find('\t') != std::string_view::npos) {
        return text::split(line, '\t');
    }
    std::vector<std::string_view> fields;
    for (auto const field : text::split(line, ' ')) {
        if (!field.empty()) {
            fields.push_back(field);
        }
    }
    return fields;
}

bool is_no_data(std::string_view line) {
    return text::trim(line).empty() || line.front() == '#' || first_word(line) == "track" ||
           first_word(line) == "browser";
}

struct Flanks {
    std::string left;
    std::string right;
};

Flanks read_vector(std::filesystem::path const& path, std::string const& placeholder) {
    auto const file = map_text(path);
    auto const all = as_text(file);
    require(all.starts_with('>') && all.find("\n>") == std::string_view::npos,
            fmt::format("{}: a vector is one FASTA record", path.string()));
    std::string joined;
    for (auto const line : text::split(all.substr(std::min(all.find('\n'), all.size())), '\n')) {
        joined += text::trim(line);
    }
    std::size_t const at = placeholder.empty() ? std::string::npos : joined.find(placeholder);
    if (at == std::string::npos || joined.find(placeholder, at + 1) != std::string::npos) {
        fail_usage(fmt::format(
            "{}: the placeholder '{}' must stand in the vector exactly once, where the element goes",
            path.string(), placeholder));
    }
    Flanks flanks;
    std::uint64_t ambiguous = 0;
    auto const refuse_from = [&](std::size_t shift) {
        return [&, shift](std::size_t i) {
            fail_usage(fmt::format("{}: '{}' at position {} of the vector is no IUPAC letter", path.string(),
                                   joined[shift + i], shift + i + 1));
        };
    };
    append_letters(std::string_view(joined).substr(0, at), flanks.left, ambiguous, refuse_from(0));
    std::size_t const after = at + placeholder.size();
    append_letters(std::string_view(joined).substr(after), flanks.right, ambiguous, refuse_from(after));
    return flanks;
}

}  // namespace

struct ElementLibrary::State {
    explicit State(std::filesystem::path const& path) : file(map_text(path)) {}

    ElementSource source;
    MappedFile file;
    std::vector<std::uint64_t> offsets;  ///< of the header ('>') or of the BED line
    std::vector<std::uint32_t> groups;
    std::vector<std::string> group_names;
    std::optional<Fasta> genome;
    Flanks vector;
    std::uint64_t ambiguous = 0;
    std::uint64_t shortest = std::numeric_limits<std::uint64_t>::max();
    std::uint64_t longest = 0;
    std::string hash;

    [[nodiscard]] bool is_bed() const { return genome.has_value(); }
    [[nodiscard]] std::string_view text() const { return as_text(file); }
    [[nodiscard]] std::string file_name() const { return (is_bed() ? source.bed : source.fasta).string(); }
    [[nodiscard]] std::string place(std::uint64_t element) const {
        return fmt::format("{}, line {}", file_name(),
                           line_number(text(), static_cast<std::size_t>(offsets[element])));
    }

    [[nodiscard]] std::string_view line(std::uint64_t element) const {
        return line_at(text(), static_cast<std::size_t>(offsets[element]));
    }
    /// The lines of a FASTA record after its header.
    [[nodiscard]] std::string_view body(std::uint64_t element) const {
        auto const begin = static_cast<std::size_t>(offsets[element]);
        auto const end =
            element + 1 < offsets.size() ? static_cast<std::size_t>(offsets[element + 1]) : text().size();
        auto const record = text().substr(begin, end - begin);
        std::size_t const header_end = record.find('\n');
        return header_end == std::string_view::npos ? std::string_view() : record.substr(header_end + 1);
    }
    [[nodiscard]] Locus locus(std::uint64_t element) const {
        auto const columns = columns_of(line(element));
        return {columns[0], *text::to_integer(columns[1]), *text::to_integer(columns[2])};
    }
    [[nodiscard]] std::string name(std::uint64_t element) const {
        if (!is_bed()) {
            return std::string(first_word(line(element).substr(1)));
        }
        auto const columns = columns_of(line(element));
        return columns.size() > 3 ? std::string(columns[3])
                                  : fmt::format("{}:{}-{}", columns[0], columns[1], columns[2]);
    }
    std::string sequence(std::uint64_t element, std::uint64_t& count) {
        if (is_bed()) {
            auto const where = locus(element);
            return genome->fetch(where.chrom, where.start, where.end);
        }
        std::string letters;
        auto const lines = body(element);
        letters.reserve(lines.size());
        append_letters(lines, letters, count, [&](std::size_t i) {
            auto const offset = static_cast<std::size_t>(lines.data() + i - text().data());
            fail_usage(fmt::format("{}, line {}: element '{}' has '{}', which is no IUPAC letter",
                                   file_name(), line_number(text(), offset), name(element), lines[i]));
        });
        return letters;
    }

    void index_fasta();
    void index_bed();
    void index_names();
    void read_groups(std::span<std::pair<std::uint64_t, std::uint32_t> const> by_hash);
    void groups_from_column();
    std::uint32_t group_number(std::string_view group);
};

void ElementLibrary::State::index_fasta() {
    auto const all = text();
    for (std::size_t at = 0; at < all.size();) {
        auto const here = line_at(all, at);
        if (here.starts_with('>')) {
            offsets.push_back(at);
        } else if (offsets.empty() && !text::trim(here).empty()) {
            fail_usage(fmt::format("{}, line {}: a FASTA record must begin with '>'", file_name(),
                                   line_number(all, at)));
        }
        std::size_t const next = all.find('\n', at);
        at = next == std::string_view::npos ? all.size() : next + 1;
    }
    for (std::uint64_t element = 0; element < offsets.size(); ++element) {
        // Not require(): its message would be built, and lines counted, for every element.
        auto const named = name(element);
        if (named.empty()) {
            fail_usage(fmt::format("{}: an element without a name", place(element)));
        }
        std::uint64_t const letters = sequence(element, ambiguous).size();
        if (letters == 0) {
            fail_usage(fmt::format("{}: element '{}' has no sequence", place(element), named));
        }
        shortest = std::min(shortest, letters);
        longest = std::max(longest, letters);
    }
}

void ElementLibrary::State::index_bed() {
    auto const all = text();
    std::size_t number = 0;
    for (std::size_t at = 0; at < all.size();) {
        ++number;
        auto const here = line_at(all, at);
        std::size_t const next = all.find('\n', at);
        if (!is_no_data(here)) {
            auto const refuse = [&](std::string const& why) {
                fail_usage(fmt::format("{}, line {}: {}", file_name(), number, why));
            };
            auto const columns = columns_of(here);
            if (columns.size() < 3) {
                refuse("a BED line has chromosome, start and end");
            }
            auto const start = text::to_integer(columns[1]);
            auto const end = text::to_integer(columns[2]);
            if (!start || !end || *start < 0) {
                refuse(fmt::format("'{}' to '{}' is no interval of integers >= 0", columns[1], columns[2]));
            }
            if (*start >= *end) {
                refuse(fmt::format("an empty element: start {} is not before end {}", *start, *end));
            }
            auto const chrom = genome->find(columns[0]);
            if (!chrom) {
                std::vector<std::string> const known(genome->names().begin(), genome->names().end());
                refuse(fmt::format("{} has no sequence '{}'{}", source.genome.string(), columns[0],
                                   text::did_you_mean(columns[0], known)));
            }
            std::int64_t const length = genome->lengths()[*chrom];
            if (*end > length) {
                refuse(fmt::format("end {} is beyond {} of {} bp", *end, columns[0], length));
            }
            if (source.group_column > 0 && columns.size() < static_cast<std::size_t>(source.group_column)) {
                refuse(
                    fmt::format("no column {}, which should hold the element's group", source.group_column));
            }
            offsets.push_back(at);
            auto const bases = static_cast<std::uint64_t>(*end - *start);
            shortest = std::min(shortest, bases);
            longest = std::max(longest, bases);
        }
        at = next == std::string_view::npos ? all.size() : next + 1;
    }
}

/// Names are compared through their hashes: 16 bytes an element, and only while opening.
void ElementLibrary::State::index_names() {
    std::vector<std::pair<std::uint64_t, std::uint32_t>> by_hash(offsets.size());
    for (std::uint32_t element = 0; element < by_hash.size(); ++element) {
        by_hash[element] = {std::hash<std::string>{}(name(element)), element};
    }
    std::ranges::sort(by_hash);
    for (std::size_t i = 0; i + 1 < by_hash.size(); ++i) {
        for (std::size_t j = i + 1; j < by_hash.size() && by_hash[j].first == by_hash[i].first; ++j) {
            auto const [first, second] = std::minmax(by_hash[i].second, by_hash[j].second);
            if (name(first) == name(second)) {
                fail_usage(fmt::format("{}: element name '{}' was used before, in line {}; names must differ",
                                       place(second), name(second),
                                       line_number(text(), static_cast<std::size_t>(offsets[first]))));
            }
        }
    }
    if (!source.groups.empty()) {
        read_groups(by_hash);
    } else if (source.group_column > 0) {
        groups_from_column();
    }
}

std::uint32_t ElementLibrary::State::group_number(std::string_view group) {
    auto const found = std::ranges::find(group_names, group);
    if (found == group_names.end()) {
        group_names.emplace_back(group);
        return static_cast<std::uint32_t>(group_names.size() - 1);
    }
    return static_cast<std::uint32_t>(found - group_names.begin());
}

void ElementLibrary::State::groups_from_column() {
    groups.reserve(offsets.size());
    for (std::uint64_t element = 0; element < offsets.size(); ++element) {
        groups.push_back(
            group_number(columns_of(line(element))[static_cast<std::size_t>(source.group_column) - 1]));
    }
}

void ElementLibrary::State::read_groups(std::span<std::pair<std::uint64_t, std::uint32_t> const> by_hash) {
    constexpr auto kNone = std::numeric_limits<std::uint32_t>::max();
    auto const table = map_text(source.groups);
    auto const all = as_text(table);
    std::vector<std::uint32_t> label_of(offsets.size(), kNone);
    std::vector<std::string> labels;
    std::swap(labels, group_names);
    std::size_t number = 0;
    for (std::size_t at = 0; at < all.size();) {
        ++number;
        auto const here = line_at(all, at);
        std::size_t const next = all.find('\n', at);
        at = next == std::string_view::npos ? all.size() : next + 1;
        if (text::trim(here).empty() || here.front() == '#') {
            continue;
        }
        auto const fields = text::split(here, '\t');
        if (fields.size() < 2 || fields[0].empty() || fields[1].empty()) {
            fail_usage(fmt::format("{}, line {}: expected element name, tab, group name",
                                   source.groups.string(), number));
        }
        std::uint64_t const key = std::hash<std::string_view>{}(fields[0]);
        auto candidate =
            std::ranges::lower_bound(by_hash, key, {}, &std::pair<std::uint64_t, std::uint32_t>::first);
        while (candidate != by_hash.end() && candidate->first == key &&
               name(candidate->second) != fields[0]) {
            ++candidate;
        }
        if (candidate == by_hash.end() || candidate->first != key) {
            fail_usage(fmt::format("{}, line {}: {} has no element '{}'", source.groups.string(), number,
                                   file_name(), fields[0]));
        }
        if (label_of[candidate->second] != kNone) {
            fail_usage(fmt::format("{}, line {}: element '{}' was given a group before",
                                   source.groups.string(), number, fields[0]));
        }
        label_of[candidate->second] = group_number(fields[1]);
    }
    // Numbered by first appearance among the elements, so that the order of the table's lines is no matter.
    std::swap(labels, group_names);
    groups.reserve(offsets.size());
    for (std::uint64_t element = 0; element < offsets.size(); ++element) {
        if (label_of[element] == kNone) {
            fail_usage(fmt::format("{}: element '{}' ({}) has no group", source.groups.string(),
                                   name(element), place(element)));
        }
        groups.push_back(group_number(labels[label_of[element]]));
    }
}

ElementLibrary::ElementLibrary(std::unique_ptr<State> state) : state_(std::move(state)) {}
ElementLibrary::ElementLibrary(ElementLibrary&&) noexcept = default;
ElementLibrary& ElementLibrary::operator=(ElementLibrary&&) noexcept = default;
ElementLibrary::~ElementLibrary() = default;

ElementLibrary ElementLibrary::open(ElementSource const& source) {
    require(source.fasta.empty() != source.bed.empty(),
            "elements come from a FASTA file or from a BED file: name one");
    require(source.bed.empty() || !source.genome.empty(),
            fmt::format("{}: elements from BED need the genome's FASTA file", source.bed.string()));
    require(source.group_column == 0 || (!source.bed.empty() && source.groups.empty()),
            "the column of the group is a column of the BED file, and excludes a table of groups");
    bool const from_bed = !source.bed.empty();
    auto state = std::make_unique<State>(from_bed ? source.bed : source.fasta);
    state->source = source;
    if (from_bed) {
        state->genome.emplace(source.genome);
        state->index_bed();
    } else {
        state->index_fasta();
    }
    require(!state->offsets.empty(), fmt::format("{}: no element in it", state->file_name()));
    require(state->offsets.size() < std::numeric_limits<std::uint32_t>::max(),
            fmt::format("{}: more than 2^32 elements", state->file_name()));
    state->offsets.shrink_to_fit();
    state->index_names();
    if (!source.vector.empty()) {
        state->vector = read_vector(source.vector, source.placeholder);
    }

    ContentHash hash;
    hash.add(from_bed ? "bed" : "fasta").add(state->file.bytes());
    hash.add(from_bed ? hash_file(source.genome) : std::string());
    hash.add(state->vector.left).add(state->vector.right);
    for (std::uint64_t element = 0; element < state->groups.size(); ++element) {
        hash.add(state->group_names[state->groups[element]]);
    }
    state->hash = hash.hex();
    return ElementLibrary(std::move(state));
}

std::uint64_t ElementLibrary::size() const noexcept {
    return state_->offsets.size();
}

std::string ElementLibrary::name(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    return state_->name(element);
}

std::string ElementLibrary::sequence(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    std::uint64_t counted_when_opened = 0;
    return state_->sequence(element, counted_when_opened);
}

std::uint64_t ElementLibrary::length(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    if (state_->is_bed()) {
        auto const where = state_->locus(element);
        return static_cast<std::uint64_t>(where.end - where.start);
    }
    auto const lines = state_->body(element);
    return static_cast<std::uint64_t>(
        std::ranges::count_if(lines, [](char letter) { return letter != '\n' && letter != '\r'; }));
}

std::vector<std::string> const& ElementLibrary::group_names() const noexcept {
    return state_->group_names;
}

std::uint32_t ElementLibrary::group(std::uint64_t element) const {
    return state_->groups.at(element);
}

std::optional<ElementLibrary::Locus> ElementLibrary::locus(std::uint64_t element) const {
    ensure(element < size(), "an element beyond the library");
    return state_->is_bed() ? std::optional(state_->locus(element)) : std::nullopt;
}

bool ElementLibrary::has_vector() const noexcept {
    return !state_->source.vector.empty();
}

std::string ElementLibrary::scan_sequence(std::uint64_t element, std::uint64_t scan_length) const {
    return scan_sequence_of(sequence(element), scan_length);
}

std::string ElementLibrary::scan_sequence_of(std::string_view insert, std::uint64_t scan_length) const {
    if (scan_length == 0) {
        return std::string(insert);
    }
    // Bases before and after the middle of the insert, which is its base number floor(length / 2).
    std::uint64_t const before = scan_length / 2;
    std::uint64_t const after = scan_length - before;
    std::uint64_t const middle = insert.size() / 2;
    auto const& [left, right] = state_->vector;
    std::string window;
    window.reserve(scan_length);
    if (before > middle) {
        std::uint64_t const flank = std::min<std::uint64_t>(before - middle, left.size());
        window.append(left, left.size() - flank, flank);
    }
    std::uint64_t const first = middle > before ? middle - before : 0;
    std::uint64_t const end = std::min<std::uint64_t>(insert.size(), middle + after);
    window.append(insert.substr(first, end - first));
    if (middle + after > insert.size()) {
        window.append(right, 0, middle + after - insert.size());
    }
    return window;
}

std::string ElementLibrary::vector_scan_sequence(std::uint64_t scan_length) const {
    return scan_sequence_of("", scan_length);
}

std::uint64_t ElementLibrary::ambiguous_letters() const noexcept {
    return state_->is_bed() ? state_->genome->ambiguous_letters() : state_->ambiguous;
}

std::string const& ElementLibrary::content_hash() const noexcept {
    return state_->hash;
}

std::string ElementLibrary::describe() const {
    auto const& state = *state_;
    std::string const lengths = state.shortest == state.longest
                                    ? fmt::format("{}", state.longest)
                                    : fmt::format("{} to {}", state.shortest, state.longest);
    std::string line = fmt::format("{} elements of {} bp from {}", size(), lengths, state.file_name());
    if (state.is_bed()) {
        line += fmt::format(" and {}", state.source.genome.string());
    }
    if (has_vector()) {
        line += fmt::format(", in the vector {} ({} + {} bp)", state.source.vector.string(),
                            state.vector.left.size(), state.vector.right.size());
    }
    if (!state.group_names.empty()) {
        line += fmt::format(", {} groups", state.group_names.size());
    }
    if (state.ambiguous > 0) {
        line += fmt::format(", {} IUPAC letters taken as N", state.ambiguous);
    }
    return line;
}

}  // namespace mpira::genome
