// Makes the plots of a report interactive: what each figure's JSON says (plot_json in report_svg.cpp), drawn by plotly.js.
// Without it, or without scripts, the SVG beside the JSON stays.
'use strict';
(function () {
    if (typeof window.Plotly === 'undefined') return;
    const root = document.documentElement;
    const colour = name => getComputedStyle(root).getPropertyValue('--' + name).trim();
    // plotly.js takes a little HTML in texts; those of files are none.
    const plain = text => String(text).replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
    const number = value => value === null ? '-' : String(Number(value.toPrecision(4)));
    const place = (axis, value) => axis.n && axis.n[value] !== undefined ? axis.n[value] : number(value);

    function told(figure, series) {
        return series.x.map((x, i) => {
            const y = series.y[i];
            if (x === null || y === null) return '';
            const lines = [];
            if (series.n) lines.push(plain(series.n));
            if (series.l && series.l[i]) lines.push(plain(series.l[i]));
            const half = series.e && series.e[i] !== null ? ' ± ' + number(series.e[i]) : '';
            if (!figure.x.h) lines.push(plain((figure.x.t ? figure.x.t + ': ' : '') + place(figure.x, x)) + (figure.k ? half : ''));
            if (!figure.y.h) lines.push(plain((figure.y.t ? figure.y.t + ': ' : '') + place(figure.y, y)) + (figure.k ? '' : half));
            return lines.join('<br>');
        });
    }

    function trace(figure, series) {
        const own = colour(series.c < 0 ? 'cg' : 'c' + series.c);
        const common = {x: series.x, y: series.y, opacity: series.o || 1, hovertext: told(figure, series), hoverinfo: 'text'};
        if (series.m === 'b') {
            return Object.assign(common, {type: 'bar', orientation: figure.k ? 'h' : 'v', width: series.w, marker: {color: own}});
        }
        if (series.m === 'l') {
            return Object.assign(common, {type: 'scatter', mode: 'lines', connectgaps: false,
                line: {color: own, width: series.z, dash: series.d ? 'dash' : 'solid'}});
        }
        const made = Object.assign(common, {type: 'scatter', mode: series.sl ? 'markers+text' : 'markers',
            marker: {color: own, size: series.z}});
        if (series.sl) Object.assign(made, {text: (series.l || []).map(plain), textposition: 'top center',
            textfont: {size: 11, color: colour('ink'), shadow: ('0 0 3px ' + colour('bg') + ',').repeat(4).slice(0, -1)},
            cliponaxis: false});
        if (series.e) made[figure.k ? 'error_x' : 'error_y'] = {type: 'data', array: series.e, color: own, thickness: 1.5, width: 0};
        return made;
    }

    function heat(figure) {
        const cells = figure.z, levels = 11, scale = [];
        for (let i = 0; i < levels; ++i) {
            scale.push([i / levels, colour('q' + i)], [(i + 1) / levels, colour('q' + i)]);
        }
        const values = [], text = [];
        for (let r = 0; r < cells.r; ++r) {
            const row = cells.v.slice(r * cells.c, (r + 1) * cells.c);
            values.push(row);
            text.push(row.map((value, c) => plain(place(figure.y, r)) + '<br>' + plain(place(figure.x, c)) + '<br>' +
                number(value) + (cells.u ? ' ' + plain(cells.u) : '')));
        }
        // A colour reaches half a step to either side of its value, as in the SVG.
        const most = cells.m * levels / (levels - 1);
        return {type: 'heatmap', z: values, zmin: -most, zmax: most, colorscale: scale, showscale: false,
            hovertext: text, hoverinfo: 'text'};
    }

    function axis(of) {
        const made = {range: of.r, autorange: false, visible: !of.h, automargin: true, zeroline: false, ticks: '',
            gridcolor: colour('grid'), linecolor: colour('soft'), showline: !of.n};
        if (of.t) made.title = {text: plain(of.t), standoff: 8};
        if (of.n) Object.assign(made, {tickmode: 'array', tickvals: of.n.map((_, i) => i), showgrid: false,
            ticktext: of.n.map(name => plain(name.length > 22 ? name.slice(0, 21) + '…' : name)),
            tickfont: {size: of.n.length > 25 ? 10 : 12}});
        return made;
    }

    function draw(holder) {
        const figure = holder.figure, box = holder.box;
        const layout = {
            height: figure.h + 16, margin: {l: 10, r: 10, t: 28, b: 10}, showlegend: false, barmode: 'overlay', hovermode: 'closest',
            paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)',
            font: {color: colour('ink'), size: 12, family: getComputedStyle(document.body).fontFamily},
            hoverlabel: {bgcolor: colour('panel'), bordercolor: colour('rule'), font: {color: colour('ink')}, namelength: -1},
            modebar: {bgcolor: 'rgba(0,0,0,0)', color: colour('soft'), activecolor: colour('ink')},
            // A finger scrolls the page.
            dragmode: window.matchMedia('(pointer: coarse)').matches ? false : 'zoom',
            xaxis: axis(figure.x), yaxis: axis(figure.y),
        };
        if (figure.q) layout.yaxis.scaleanchor = 'x';
        const traces = figure.s.map(series => trace(figure, series));
        if (figure.z) traces.unshift(heat(figure));
        traces.forEach((one, i) => { if (holder.off.has(i)) one.visible = false; });
        return window.Plotly.react(box, traces, layout, {responsive: true, displaylogo: false, displayModeBar: 'hover',
            // Named one by one: by default there is one that sends the figure to plotly's server.
            plotlyServerURL: '', modeBarButtons: [['toImage', 'zoom2d', 'pan2d', 'zoomIn2d', 'zoomOut2d', 'resetScale2d']]});
    }

    /** Names in the legend switch their series, and the nameless ones behind it, off and on. */
    function wire(holder, list) {
        const shift = holder.figure.z ? 1 : 0;
        for (const item of list.querySelectorAll('li[data-series]')) {
            const button = document.createElement('button');
            button.type = 'button';
            button.setAttribute('aria-pressed', 'true');
            button.append(...item.childNodes);
            item.append(button);
            button.addEventListener('click', () => {
                const on = button.getAttribute('aria-pressed') !== 'true';
                button.setAttribute('aria-pressed', String(on));
                const all = holder.figure.s;
                for (let i = Number(item.dataset.series), first = i; i < all.length && (i === first || !all[i].n); ++i) {
                    on ? holder.off.delete(i + shift) : holder.off.add(i + shift);
                }
                draw(holder);
            });
        }
    }

    const holders = new Map();
    function begin(element) {
        const plot = element.querySelector('.plot');
        const box = document.createElement('div');
        box.className = 'interactive';
        const holder = {figure: JSON.parse(element.querySelector('script[type="application/json"]').textContent), box, off: new Set()};
        plot.append(box);
        plot.classList.add('live');
        Promise.resolve().then(() => draw(holder)).then(() => {
            holders.set(element, holder);
            const list = element.querySelector('.legend');
            if (list) wire(holder, list);
        }).catch(() => {  // the SVG is as good
            plot.classList.remove('live');
            box.remove();
        });
    }

    // One after the other, from the top: a page of many plots answers at once.
    const waiting = Array.from(document.querySelectorAll('figure[data-plot]'));
    (function next() {
        if (waiting.length === 0) return;
        begin(waiting.shift());
        setTimeout(next, 0);
    })();
    window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => holders.forEach(draw));
})();
