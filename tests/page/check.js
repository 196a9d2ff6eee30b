// Looks at pages of footfall.page in Chromium: node tests/page/check.js FOLDER_OF_SCREENSHOTS PAGE...
//
// Of each page, in light and dark and at four widths: no violation that axe knows, no message and no request, no label over another or outside its
// picture, no scrolling sideways; contrast from the real colours; nothing of the data runs, with the policy of the page
// switched off; the arrow keys read the values of the table; all is there without JavaScript; the PDF has every headline. Valid HTML.
// It writes screenshots: look at them.
const fs = require('fs'), path = require('path'), { execFileSync } = require('child_process');
const modules = process.env.NODE_PATH || path.join(process.cwd(), 'build/page/node_modules');
const load = name => require(path.join(modules, name));
const puppeteer = load('puppeteer-core'), { HtmlValidate, StaticConfigLoader } = load('html-validate');
const axe = fs.readFileSync(path.join(modules, 'axe-core/axe.min.js'), 'utf8');
const [shots, ...pages] = process.argv.slice(2);
const WIDTHS = [[1280, 900], [600, 900], [390, 844], [320, 640]];
// A font that is wide, and that of Arial's metrics.
const FONTS = ['', 'DejaVu Sans', 'Liberation Sans'];
let failures = 0;
const check = (right, what, found) => { if (!right) { failures++; console.log('FAIL', what, typeof found == 'string' ? found : JSON.stringify(found)); } };

// Labels that leave their picture or lie over another one.
const misplaced = () => {
    const out = [];
    for (const s of document.querySelectorAll('figure svg[role=img]')) {
        const q = s.getBoundingClientRect();
        if (!q.width) continue;
        const name = s.closest('article').id, texts = [...s.querySelectorAll('text')].map(t => [t.textContent, t.getBoundingClientRect()]);
        texts.forEach(([text, r], i) => {
            if (r.left < q.left - 1 || r.right > q.right + 1 || r.top < q.top - 1 || r.bottom > q.bottom + 2) out.push(`${name}: "${text}" outside`);
            for (const [other, c] of texts.slice(i + 1)) {
                const x = Math.min(r.right, c.right) - Math.max(r.left, c.left), y = Math.min(r.bottom, c.bottom) - Math.max(r.top, c.top);
                if (x > 1 && y > 4) out.push(`${name}: "${text}" over "${other}"`);
            }
        });
    }
    return out;
};

// Texts of less than 4.5 to 1 on what is drawn under them.
const faint = () => {
    const rgb = s => s.match(/[\d.]+/g).slice(0, 3).map(Number);
    const luminance = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
    const ground = rgb(getComputedStyle(document.body).backgroundColor), out = [];
    for (const s of document.querySelectorAll('figure svg[role=img]')) {
        if (!s.getBoundingClientRect().width) continue;
        const rects = [...s.querySelectorAll('rect')].map(r => [r, r.getBoundingClientRect()]);
        for (const t of s.querySelectorAll('text')) {
            const k = t.getBoundingClientRect(), x = k.left + k.width / 2, y = k.top + k.height / 2;
            let under = ground;
            for (const [r, q] of rects) if (x >= q.left && x <= q.right && y >= q.top && y <= q.bottom) {
                const style = getComputedStyle(r);
                if (style.fill == 'none') continue;
                const fill = rgb(style.fill), o = +style.fillOpacity;
                under = under.map((v, i) => v * (1 - o) + fill[i] * o);
            }
            const a = luminance(rgb(getComputedStyle(t).fill)), b = luminance(under), c = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
            if (c < 4.5) out.push(`${s.closest('article').id} "${t.textContent}" ${c.toFixed(2)}`);
        }
    }
    return out;
};

(async () => {
    fs.mkdirSync(shots, { recursive: true });
    const validator = new HtmlValidate(new StaticConfigLoader({ extends: ['html-validate:standard'], rules: { 'no-inline-style': 'off', 'long-title': 'off', 'svg-focusable': 'off' } }));
    const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none'] });
    for (const file of pages) {
        const name = path.basename(file, '.html'), url = 'file://' + path.resolve(file), html = fs.readFileSync(file, 'utf8');
        const report = await validator.validateString(html);
        check(report.valid, `${name}: HTML`, report.results.flatMap(r => r.messages).slice(0, 5).map(m => `${m.ruleId} ${m.line}:${m.column} ${m.message}`));
        for (const dark of [false, true]) for (const [width, height] of WIDTHS) {
            const what = `${name} ${dark ? 'dark' : 'light'} ${width}`, page = await browser.newPage(), said = [];
            page.on('console', m => said.push(m.text()));
            page.on('pageerror', e => said.push(e.message));
            page.on('request', r => r.url() != url && said.push('request ' + r.url()));
            await page.setViewport({ width, height });
            await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
            await page.goto(url, { waitUntil: 'load' });
            check(!said.length, `${what}: messages or requests`, said);
            check(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what}: sideways`, '');
            const found = await page.evaluate(faint);
            check(!found.length, `${what}: contrast`, found.slice(0, 6));
            if (width == 1280 || width == 390) await page.screenshot({ path: path.join(shots, `${name}-${dark ? 'dark' : 'light'}-${width}.png`), fullPage: true });
            for (const font of dark ? [] : FONTS) {
                if (font) await page.evaluate(f => document.querySelectorAll('svg text').forEach(t => t.setAttribute('font-family', f) || (t.style.fontFamily = f)), font).catch(() => {});
                const wrong = await page.evaluate(misplaced);
                check(!wrong.length, `${what} ${font}: labels`, wrong.slice(0, 8));
            }
            await page.close();
            const judged = await browser.newPage();
            await judged.setBypassCSP(true);
            await judged.setViewport({ width, height });
            await judged.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
            await judged.goto(url);
            await judged.evaluate(axe);
            const { violations } = await judged.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
            check(!violations.length, `${what}: axe`, violations.map(v => `${v.id} ${v.nodes[0].target}`));
            check(await judged.evaluate(() => window.pwned === undefined && !document.images.length && document.scripts.length == 1), `${what}: something runs`, '');
            await judged.close();
        }
        const page = await browser.newPage();
        await page.setViewport({ width: 1280, height: 900 });
        await page.goto(url);
        // The arrow keys read the first mark; its value stands in the first row of the table.
        const read = [];
        for (const article of await page.$$('article')) {
            if (!await article.$('.wide svg [data-t]')) continue;
            await article.$eval('.wide svg', s => s.focus());
            await page.keyboard.press('ArrowRight');
            read.push(await article.evaluate(a => {
                const tip = document.getElementById('tip'), first = a.querySelector('.wide [data-t]').dataset.t;
                const cells = [...a.querySelectorAll('tbody td')].map(c => c.textContent).filter(Boolean);
                return { shown: !tip.hidden && tip.textContent == first, known: cells.some(c => first.includes(c)), first };
            }));
        }
        check(read.every(r => r.shown && r.known), `${name}: arrow keys`, read.filter(r => !r.shown || !r.known));
        await page.$eval('#theme', button => button.click());
        check(await page.evaluate(() => document.documentElement.dataset.theme == 'dark'), `${name}: theme`, '');
        await page.close();
        const plain = await browser.newPage();
        await plain.setJavaScriptEnabled(false);
        await plain.goto(url);
        const headlines = await plain.$$eval('h3', all => all.map(h => h.textContent));
        check((await plain.$$('.wide svg[role=img]')).length == headlines.length && await plain.$eval('#theme', b => b.hidden), `${name}: without JavaScript`, '');
        const pdf = path.join(shots, `${name}.pdf`);
        await plain.pdf({ path: pdf, format: 'A4', printBackground: true, preferCSSPageSize: true });
        const words = execFileSync('pdftotext', [pdf, '-'], { encoding: 'utf8', maxBuffer: 1 << 26 }).replace(/\s+/g, '');
        const lost = name == 'hostile' ? [] : headlines.filter(h => !words.includes(h.replace(/\s+/g, '')));
        check(!lost.length, `${name}: headlines lost in the PDF`, lost);
        await plain.close();
        console.log(name, `${html.length} letters, ${headlines.length} charts`);
    }
    await browser.close();
    console.log(failures ? `${failures} failures` : 'all right', `screenshots in ${shots}`);
    process.exit(failures ? 1 : 0);
})();
