<?php
/**
 * Tools → Import → Tally: sends the Worker the views that another plugin or the theme keeps in a
 * custom field. The Worker keeps the greater number, so that importing twice changes nothing. Its
 * ADMIN_TOKEN is used for the one import, and kept nowhere.
 *
 * @package Tally_Views
 */

namespace Tally_Views;

defined( 'ABSPATH' ) || exit;

const IMPORTER = 'tally-views';
/** How many custom fields are read and sent at once. */
const IMPORT_BATCH = 5000;

add_action( 'admin_init', __NAMESPACE__ . '\add_importer' );

/**
 * Puts the importer into the list of importers.
 */
function add_importer() {
	require_once ABSPATH . 'wp-admin/includes/import.php';
	register_importer(
		IMPORTER,
		__( 'Tally', 'tally-views' ),
		__( 'Take over the views of posts that another plugin or the theme has counted in a custom field.', 'tally-views' ),
		__NAMESPACE__ . '\print_importer'
	);
}

/**
 * Prints the page, and imports where its form was sent.
 */
function print_importer() {
	if ( ! current_user_can( 'manage_options' ) || ! current_user_can( 'import' ) ) {
		wp_die( esc_html__( 'Sorry, you are not allowed to import views.', 'tally-views' ) );
	}
	echo '<div class="wrap"><h1>' . esc_html__( 'Import views into Tally', 'tally-views' ) . '</h1>';
	if ( '' === worker() ) {
		print_notice( 'warning', __( 'Enter the address of your Worker first.', 'tally-views' ) );
		printf( '<p><a href="%s">%s</a></p>', esc_url( page_url() ), esc_html__( 'Settings', 'tally-views' ) );
	} else {
		if ( isset( $_POST['tally_views_import'] ) ) {
			check_admin_referer( IMPORTER );
			import_sent();
		}
		print_import_form();
	}
	echo '</div>';
}

/**
 * Imports what the form asks for, and prints how that went.
 */
function import_sent() {
	// phpcs:disable WordPress.Security.NonceVerification.Missing -- checked by print_importer().
	$chosen = isset( $_POST['tally_views_key'] ) ? sanitize_text_field( wp_unslash( $_POST['tally_views_key'] ) ) : '';
	$typed  = isset( $_POST['tally_views_other_key'] ) ? sanitize_text_field( wp_unslash( $_POST['tally_views_other_key'] ) ) : '';
	// A token is sent as it is, or not at all.
	$token = isset( $_POST['tally_views_token'] ) ? trim( wp_unslash( $_POST['tally_views_token'] ) ) : ''; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput.InputNotSanitized
	// phpcs:enable
	$key = '' === $typed ? $chosen : $typed;
	if ( '' === $key ) {
		print_notice( 'error', __( 'Choose a custom field.', 'tally-views' ) );
		return;
	}
	if ( ! preg_match( '/^[\x21-\x7e]+$/D', $token ) ) {
		print_notice( 'error', __( 'Enter the ADMIN_TOKEN of your Worker. It has no spaces.', 'tally-views' ) );
		return;
	}
	print_outcome( import_key( $key, $token ) );
}

/**
 * Prints how an import went.
 *
 * @param array $outcome What import_key() answers.
 */
function print_outcome( $outcome ) {
	$text = sprintf(
		/* translators: 1: number of posts, 2: number of custom fields. */
		__( 'Posts imported: %1$s. Left out because they hold no number: %2$s.', 'tally-views' ),
		number_format_i18n( $outcome['posts'] ),
		number_format_i18n( $outcome['left_out'] )
	);
	if ( null === $outcome['error'] ) {
		print_notice( 'success', $text );
		return;
	}
	print_notice( 'error', import_error( $outcome['error'] ) );
	if ( $outcome['posts'] ) {
		print_notice( 'warning', $text . ' ' . __( 'You can import again: nothing is counted twice.', 'tally-views' ) );
	}
}

/**
 * Why an import failed, and what to do about it.
 *
 * @param \WP_Error $error What went wrong.
 * @return string Plain text.
 */
function import_error( $error ) {
	$data   = $error->get_error_data();
	$status = isset( $data['status'] ) ? $data['status'] : 0;
	if ( 401 === $status ) {
		return __( 'This is not the ADMIN_TOKEN of your Worker.', 'tally-views' );
	}
	if ( 404 === $status ) {
		return __( 'Your Worker has no ADMIN_TOKEN. Set one with `npx wrangler secret put ADMIN_TOKEN`.', 'tally-views' );
	}
	/* translators: %s: what went wrong. */
	return sprintf( __( 'The Worker did not import: %s', 'tally-views' ), $error->get_error_message() );
}

/**
 * Sends all views that a custom field holds.
 *
 * @param string $key   The name of the field.
 * @param string $token The Worker's ADMIN_TOKEN.
 * @return array `posts` that were sent, fields that were `left_out`, and the `error` that ended it.
 */
function import_key( $key, $token ) {
	$outcome = array(
		'posts'    => 0,
		'left_out' => 0,
		'error'    => null,
	);
	$last    = 0;
	do {
		$rows    = read_meta( $key, $last );
		$read    = count( $rows );
		$numeric = array_filter( $rows, __NAMESPACE__ . '\holds_count' );
		$views   = greatest_views( $numeric );
		$sent    = $views ? send_views( $views, $token ) : true;
		if ( is_wp_error( $sent ) ) {
			$outcome['error'] = $sent;
			break;
		}
		$outcome['posts']    += count( $views );
		$outcome['left_out'] += $read - count( $numeric );
		$last                 = $read ? (int) end( $rows )->meta_id : 0;
	} while ( IMPORT_BATCH === $read );
	return $outcome;
}

/**
 * Reads the next custom fields of posts.
 *
 * @param string $key  The name of the field.
 * @param int    $last The `meta_id` of the last one that was read.
 * @return object[] `meta_id`, `post_id` and `meta_value`.
 */
function read_meta( $key, $last ) {
	global $wpdb;
	// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- each row is read once; WordPress has no function for that.
	return $wpdb->get_results(
		$wpdb->prepare(
			"SELECT meta_id, post_id, meta_value FROM $wpdb->postmeta
			INNER JOIN $wpdb->posts ON ID = post_id AND post_type <> 'revision'
			WHERE meta_key = %s AND meta_id > %d ORDER BY meta_id LIMIT %d",
			$key,
			$last,
			IMPORT_BATCH
		)
	);
}

/**
 * Whether a custom field holds a count.
 *
 * @param object $row What read_meta() reads.
 * @return bool
 */
function holds_count( $row ) {
	return 1 === preg_match( '/^\s*[0-9]{1,15}\s*$/', (string) $row->meta_value );
}

/**
 * The views in custom fields, of which a post may have several.
 *
 * @param object[] $rows What read_meta() reads.
 * @return int[] The views by ID; posts without views are left out.
 */
function greatest_views( $rows ) {
	$views = array();
	foreach ( $rows as $row ) {
		$before                 = isset( $views[ $row->post_id ] ) ? $views[ $row->post_id ] : 0;
		$views[ $row->post_id ] = max( $before, (int) trim( $row->meta_value ) );
	}
	return array_filter( $views );
}

/**
 * Those of the custom fields in which views are usually counted that this site has.
 *
 * @return int[] By name, how many posts have it.
 */
function find_keys() {
	global $wpdb;
	/**
	 * Filters the names of custom fields that are looked for.
	 *
	 * @param string[] $keys Names.
	 */
	$keys = (array) apply_filters( 'tally_views_meta_keys', array( 'view_count', 'views', 'view', 'views_count', 'post_views', '_post_views', 'post_view_count', 'post_views_count', '_post_views_count', 'wpb_post_views_count', 'page_views', 'hits' ) );
	if ( ! $keys ) {
		return array();
	}
	$places = implode( ', ', array_fill( 0, count( $keys ), '%s' ) );
	// phpcs:disable WordPress.DB -- $places are placeholders; WordPress has no function for that.
	$rows = $wpdb->get_results(
		$wpdb->prepare(
			"SELECT meta_key, COUNT(DISTINCT post_id) AS posts FROM $wpdb->postmeta
			INNER JOIN $wpdb->posts ON ID = post_id AND post_type <> 'revision'
			WHERE meta_key IN ($places) GROUP BY meta_key ORDER BY posts DESC",
			array_values( $keys )
		)
	);
	// phpcs:enable
	return array_map( 'intval', wp_list_pluck( $rows, 'posts', 'meta_key' ) );
}

/**
 * Prints the form.
 */
function print_import_form() {
	?>
	<p><?php esc_html_e( 'Your Worker gets the views that a custom field holds. It keeps the greater number of each post, so that importing twice changes nothing.', 'tally-views' ); ?></p>
	<form method="post" autocomplete="off">
		<?php wp_nonce_field( IMPORTER ); ?>
		<table class="form-table" role="presentation">
			<tr>
				<th scope="row"><?php esc_html_e( 'Custom field', 'tally-views' ); ?></th>
				<td><?php print_keys(); ?></td>
			</tr>
			<tr>
				<th scope="row"><label for="tally_views_token"><?php esc_html_e( 'ADMIN_TOKEN of the Worker', 'tally-views' ); ?></label></th>
				<td>
					<input type="password" class="regular-text" id="tally_views_token" name="tally_views_token" autocomplete="off" spellcheck="false" required>
					<p class="description"><?php esc_html_e( 'It is used for this import and not kept.', 'tally-views' ); ?></p>
				</td>
			</tr>
		</table>
		<?php submit_button( __( 'Import', 'tally-views' ), 'primary', 'tally_views_import' ); ?>
	</form>
	<?php
}

/**
 * Prints the choice of the custom field.
 */
function print_keys() {
	$checked = true;
	echo '<fieldset><legend class="screen-reader-text">' . esc_html__( 'Custom field', 'tally-views' ) . '</legend>';
	foreach ( find_keys() as $key => $posts ) {
		/* translators: %s: number of posts. */
		$text = sprintf( _n( '%s post', '%s posts', $posts, 'tally-views' ), number_format_i18n( $posts ) );
		printf(
			'<label><input type="radio" name="tally_views_key" value="%1$s"%2$s> <code>%1$s</code> (%3$s)</label><br>',
			esc_attr( $key ),
			checked( $checked, true, false ),
			esc_html( $text )
		);
		$checked = false;
	}
	printf(
		'<label>%s <input type="text" class="code" name="tally_views_other_key"></label></fieldset>',
		esc_html__( 'Another one:', 'tally-views' )
	);
}
