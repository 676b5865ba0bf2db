"""What of an HTML mail its reader sees."""

import pytest

from mail.reading.html import text_of_html


def seen(html: str) -> list[str]:
    return text_of_html(html, 20_000)[0].split()


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">SECRET</div>',
        '<div style="color:red; display : none!important">SECRET</div>',
        '<div style="visibility:hidden">SECRET</div>',
        '<div style="visibility:collapse"><b>SECRET</b></div>',
        "<div hidden>SECRET</div>",
        '<p style="font-size:0">SECRET</p>',
        '<p style="font-size:0.0em;line-height:0">SECRET</p>',
        '<p style="font-size:1px">SECRET</p>',
        '<p style="font:0/0 a">SECRET</p>',
        '<p style="opacity:0">SECRET</p>',
        '<p style="opacity: .0;">SECRET</p>',
        '<p style="mso-hide:all">SECRET</p>',
        '<p style="color:#ffffff;background-color:#FFF">SECRET</p>',
        '<p style="color:rgb(255,255,255);background:white">SECRET</p>',
        '<p style="color:white">SECRET</p>',
        '<p style="color:#fefefe">SECRET</p>',
        '<p style="color:transparent">SECRET</p>',
        '<p style="color:rgba(0,0,0,0)">SECRET</p>',
        '<font color="#FFFFFF">SECRET</font>',
        '<table bgcolor="#000"><tr><td style="color:black">SECRET</td></tr></table>',
        "<style>.pre{display:none}</style><p class='pre'>SECRET</p>",
        "<style>#top , .x {mso-hide:all;}</style><p id='top'>SECRET</p>",
        "<style><!-- span.pre { font-size:0px } --></style><span class=pre>SECRET</span>",
        "<style>@media print{.y{color:red}} .pre{visibility:hidden}</style><p class=pre>SECRET</p>",
        '<div style="max-height:0;overflow:hidden">SECRET</div>',
        '<div style="height:0px;width:0px;overflow:hidden">SECRET</div>',
        '<div style="position:absolute;left:-9999px">SECRET</div>',
        '<div style="text-indent:-9999px">SECRET</div>',
        "<!-- SECRET -->",
        "<!--[if mso]><p>SECRET</p><![endif]-->",
        "<head><title>SECRET</title></head>",
        "<script>SECRET</script>",
        '<div style="display:none;font-size:1px;color:#fff;max-height:0">SECRET &zwnj;&nbsp;</div>',
    ],
)
def test_hidden_text_is_dropped(hidden: str) -> None:
    assert seen(f"<html><body>{hidden}<p>Shown</p></body></html>") == ["Shown"]


@pytest.mark.parametrize(
    "shown",
    [
        '<p style="font-size:10px">Shown</p>',
        '<p style="font-size:0.8em">Shown</p>',
        '<td style="font-size:0px"><div style="font-size:13px">Shown</div></td>',
        '<div style="visibility:hidden"><p style="visibility:visible">Shown</p></div>',
        '<p style="opacity:0.9">Shown</p>',
        '<p style="max-width:0;overflow:hidden;text-overflow:ellipsis">Shown</p>',
        '<p style="max-height:0.5em">Shown</p>',
        '<p style="line-height:0">Shown</p>',
        '<a style="color:#fff;background:#06c">Shown</a>',
        '<table bgcolor="#0066cc"><tr><td><a style="color:#ffffff">Shown</a></td></tr></table>',
        '<div style="background:url(x.png) #fff"><p style="color:white">Shown</p></div>',
        '<div style="color:#fff"><p style="color:#000">Shown</p></div>',
        "<style>td{background:#000}</style><p style='color:white'>Shown</p>",
        "<style>@media (max-width:600px){.big{display:none}}</style><p class=big>Shown</p>",
        "<style>.a .b{display:none}</style><p class=b>Shown</p>",
        "<style>.x{display:none}</style><p class=x style='display:block'>Shown</p>",
        '<p style="position:absolute;left:10px">Shown</p>',
        '<p style="color:#eeeeee0">Shown</p>',
    ],
)
def test_what_a_reader_sees_is_kept(shown: str) -> None:
    assert seen(f"<html><body>{shown}</body></html>") == ["Shown"]


def test_paragraphs_lists_and_tables_keep_their_shape() -> None:
    html = "<div>a</div><div>b</div><p>c</p><ul><li>x<li>y</ul><table><tr><td>1<td>2</table>"
    assert text_of_html(html, 1_000)[0] == "a\nb\n\nc\n\n  * x\n  * y\n1  2"


def test_thousands_of_hidden_elements_inside_of_each_other_take_one_pass() -> None:
    inner = "<div style='font-size:0;color:#fff;visibility:hidden'>" * 4_000
    assert seen(f"{inner}SECRET{'</div>' * 4_000}<p>Shown</p>") == ["Shown"]
