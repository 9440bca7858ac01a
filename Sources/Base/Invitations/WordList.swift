import Primitives

/// The words of codes: 1,024 common English words of four to six letters, sorted. The first four letters of each are
/// its own, and no two differ by one letter only, so that most typing errors make no other word.
enum WordList {
  static let words: [String] = text.parts(separatedBy: " ", omittingEmpty: true).map { String($0) }

  /// `\` at the end of a line joins it with the next.
  private static let text = """
    acid acorn actor adapt admit adobe adult after again agent agree ahead alarm album alert algae alien alike \
    alley allow almond alone alpha alpine also always amber amount ample anchor angle animal annual answer anvil \
    apart april apron arctic arena argue aroma arrow artist ascend ashore aside aspen astro atlas atom attic audio \
    august author auto autumn avenue awake award axis baby back badge bagel baker ballet bamboo banana band banjo \
    barley barn barrel basil basket batch beach beam beaver become begin behind bell beside better beyond bike \
    birch bird bison blade blend blink block bloom blue boat body boil bonus borrow bottle brain brass brave bread \
    breeze brick brief bright bronze brook brown brush bubble bucket build bulb bundle burst button buyer cabin \
    cable cactus cadet cake camel campus canal candle canoe canvas canyon carbon card cargo carpet carrot casual \
    cattle cause cedar celery cello cement chair change charm chase cheese cherry chess chief china chip choice \
    chorus chrome cinema circle city civil clam clean clerk clever client cliff climb cloud coach coast cobalt \
    cobra cocoa code coffee coin cold collar comet common copper coral cosmos cotton count cousin cover coyote crab \
    cradle craft crane crater crayon cream credit crop cross crowd cruise crumb cube curve custom cycle daily damp \
    dance daring data dawn decade deck define degree delta demand denim dense depend depth deputy derby desert \
    detail detect dial diary diesel direct dish ditch diver divide doctor dodge domain domino donkey donor double \
    dough dove dozen dragon dress drift drink drive drum dune dust duty eager eagle early earth easel easy echo \
    edit effort eight either elbow elder elect eleven elite else embark empire empty enable energy engine enjoy \
    enough ensure enter entire entry epic equal errand escape essay ethics event every evolve exact excite exhale \
    exist expert extra fabric face faith falcon family famous fancy farm father feed felt fence fern ferry fever \
    fiddle field fifty figure film filter final finch finger finish fire first flag flame flash fleece flight float \
    flood fluid flute foam focus foggy follow foot force forest fork formal forum fossil fresh friend frog front \
    frozen fruit fuel funny future gadget galaxy game garage garden garlic gauge gecko genius gentle giant gift \
    glad glance glass gleam glide globe glory glow goal golden golf good goose govern grace grand green grid grill \
    group guava guitar gull habit hamlet hammer happy harp haven hawk hazel health heart heavy hedge helium helmet \
    help herald herb heron hidden high hiker hill hint hippo hobby hockey holly home honey horse host hotel huge \
    human humble hurdle hurry husky hybrid hyena icicle icon ideal igloo image impact import income index indigo \
    indoor infant inform inhale inner input insect inside into invent invite iris item ivory jacket jaguar jazz \
    jeans jelly jigsaw joke joyful judge juggle juice july jumbo jump junior karate kayak keen kernel kettle kick \
    kidney kilo kind kiosk kite kitten kiwi koala label ladder lady lagoon lapis large laser laugh lava leader leaf \
    learn legal legend lemon length lentil lesson level lichen life lily limit linen lion liquid list little lizard \
    llama local logic logo lonely long loop lotus lounge lucky lumber lunar lunch lupin luxury lyric magic magnet \
    major mammal mango manual marble march margin marine market mask maze meadow medal medium mellow melon member \
    memory mentor menu mesh method mild mimic minor minute mirror mobile model moment monday month moon more mosaic \
    moss motion mouse movie much muffin mural museum music mutual myth napkin nation nature navy near nebula nectar \
    needle neon nephew nest news nickel nine noble noise nomad noodle north note notice novel nozzle nurse nutmeg \
    nylon oasis object obtain ocean offer office often okra olive omega onion online only onward opal open opera \
    oppose optic orbit order organ orient origin osprey other ounce outfit outlet output owner oxygen oyster ozone \
    paddle page paint panda panel papaya paper parade parent party pass pasta path patio patrol peanut pebble \
    pencil people pepper period permit person petal phone photo phrase piano picnic pigeon pillow pilot pink pipe \
    pirate pixel pizza place planet play please plum plural pocket poem polar polite pollen polo pond porch portal \
    potato power praise prefer pretty price prism proof proud public pulse pupil puppet purple push puzzle quail \
    quartz queen quest quick quiet quill quiz quota rabbit radar radio rally ranch random range rapid rare ready \
    real reason recall recipe record reduce reef reform refuge region relax relief remain remind remote render \
    renew rent repair reply report rescue result retire return reveal review reward ribbon rich ridge ring rinse \
    ripple robin robot rock rodeo room rope rotate round royal rubber rudder rugby ruler runner safari safe salad \
    salon salt salute satin sauce scale scarf school scout scrap screen script scuba second secret seller senior \
    series seven shadow share sheep shelf shield shift short shrimp shrug sierra silent silk silver simple since \
    siren sister sketch skill skin skirt slab slice slim slogan small smart smile smooth snack snail snap snow \
    soccer social soda soft solid solve sonic soup source south space spark speak spell spend sphere spider spirit \
    split sponge spoon spot spray spring spruce square squid stable staff stamp star state steam step stick stone \
    story street strong studio style submit subway suffix sugar suit summer super supply sushi swan sweet swing \
    switch symbol syrup system tackle tailor talent tape target taste taxi temple tennis term text thank thing \
    thirty thorn three throw ticket tiger timber time tiny tissue title today token tomato tongue tool tooth topaz \
    topic total touch tour toward town track trade trail travel tray trend tribe trip trophy trout true trunk trust \
    truth tulip tuna tundra tunnel turkey turtle tutor tuxedo twelve twenty twice twig twist ultra uncle under \
    unfold unique unit unlock until uphold upon upper upset urban urchin urge usage useful usher usual vacant \
    vacuum valid value vast vault vector velvet vendor venus vessel video view vinyl violet virtue visa visit vital \
    vivid voice volume vowel voyage waffle wagon wall walnut walrus wander wash water wave whale wheat wheel when \
    white wicker wide width window winter wisdom world yeast yoga young zebra zenith zephyr zero zigzag zinc zipper \
    zodiac
    """
}
